/**
 * Changes single members of a JSON text (RFC 8259) and leaves every other character as it is: the
 * engine's configuration belongs to somebody else, who has an order and an indentation of his own.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { membersOf, replaceAt, valueAt, type Member } from '#common/runtime/json-places.ts';

/** For what has no indentation to go by. */
const INDENT = '  ';

/** @throws BirthmarkError `config-invalid` unless it is one JSON object without a key that is there twice */
export function parseObject(text: string, path: string): Record<string, unknown> {
	let document: unknown;
	try {
		document = JSON.parse(text);
	} catch (cause) {
		throw new BirthmarkError('config-invalid', `${path} is no JSON: ${(cause as Error).message}; mend it first`, { cause });
	}
	if (typeof document !== 'object' || document === null || Array.isArray(document)) throw new BirthmarkError('config-invalid', `${path} holds no JSON object; mend it first`);
	const keys = membersOf(text, valueAt(text)).map(({ key }) => key);
	const twice = keys.find((key, at) => keys.indexOf(key) !== at);
	if (twice !== undefined) throw new BirthmarkError('config-invalid', `${path} has the key ${quote(twice)} twice; leave one`);
	return document as Record<string, unknown>;
}

/**
 * @param text of an object
 * @param path keys from the outermost object inwards; objects that are missing on the way are made
 */
export function setMember(text: string, path: readonly string[], value: unknown): string {
	return put(text, valueAt(text).start, path, value);
}

/** @param path of a member; nothing changes when there is none */
export function removeMember(text: string, path: readonly string[]): string {
	let start = valueAt(text).start;
	for (const [depth, key] of path.entries()) {
		const members = membersOf(text, { start });
		const at = members.findIndex((member) => member.key === key);
		const member = members[at];
		if (!member) return text;
		if (depth === path.length - 1) return cut(text, start, members, at);
		if (text[member.value.start] !== '{') return text;
		start = member.value.start;
	}
	return text;
}

/** @param object where it begins */
function put(text: string, object: number, [key = '', ...rest]: readonly string[], value: unknown): string {
	const members = membersOf(text, { start: object });
	const there = members.find((member) => member.key === key);
	if (there && rest.length > 0 && text[there.value.start] === '{') return put(text, there.value.start, rest, value);
	const whole = rest.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
	const unit = unitOf(text);
	if (there) return replaceAt(text, [{ ...there.value, with: print(whole, indentAt(text, there.name.start), unit) }]);
	const last = members.at(-1);
	const isOnLines = last === undefined || text.slice(object, last.name.start).includes('\n');
	const outer = indentAt(text, object);
	const indent = last ? indentAt(text, last.name.start) : outer + unit;
	const member = `${JSON.stringify(key)}: ${isOnLines ? print(whole, indent, unit) : JSON.stringify(whole)}`;
	if (last) return replaceAt(text, [{ start: last.value.end, end: last.value.end, with: (isOnLines ? `,\n${indent}` : ', ') + member }]);
	return replaceAt(text, [{ ...valueAt(text, object), with: `{\n${indent}${member}\n${outer}}` }]);
}

function cut(text: string, object: number, members: readonly Member[], at: number): string {
	const { name, value } = members[at]!;
	const [before, after] = [members[at - 1], members[at + 1]];
	if (before) return replaceAt(text, [{ start: before.value.end, end: value.end, with: '' }]);
	if (after) return replaceAt(text, [{ start: name.start, end: after.name.start, with: '' }]);
	return replaceAt(text, [{ ...valueAt(text, object), with: '{}' }]);
}

function print(value: unknown, indent: string, unit: string): string {
	return JSON.stringify(value, undefined, unit).replaceAll('\n', `\n${indent}`);
}

/** The blanks at the beginning of the line that this offset is in. */
function indentAt(text: string, offset: number): string {
	return /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset))![0];
}

function unitOf(text: string): string {
	return /\{[ \t]*\r?\n([ \t]+)"/.exec(text)?.[1] ?? INDENT;
}

/**
 * Changes single members of a JSON text (RFC 8259) and leaves every other character as it is: the
 * engine's configuration belongs to somebody else, who has an order and an indentation of his own.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';

/** For what has no indentation to go by. */
const INDENT = '  ';

interface Member {
	readonly key: string;
	/** offsets of the first quote of the key, of the value, and behind it */
	readonly start: number;
	readonly value: number;
	readonly end: number;
}

/** @throws BirthmarkError `config-invalid` unless it is one JSON object without a key that is there twice */
export function parseObject(text: string, path: string): Record<string, unknown> {
	let document: unknown;
	try {
		document = JSON.parse(text);
	} catch (cause) {
		throw new BirthmarkError('config-invalid', `${path} is no JSON: ${(cause as Error).message}; mend it first`, { cause });
	}
	if (typeof document !== 'object' || document === null || Array.isArray(document)) throw new BirthmarkError('config-invalid', `${path} holds no JSON object; mend it first`);
	const keys = membersOf(text, text.indexOf('{')).map(({ key }) => key);
	const twice = keys.find((key, at) => keys.indexOf(key) !== at);
	if (twice !== undefined) throw new BirthmarkError('config-invalid', `${path} has the key ${quote(twice)} twice; leave one`);
	return document as Record<string, unknown>;
}

/**
 * @param text of an object
 * @param path keys from the outermost object inwards; objects that are missing on the way are made
 */
export function setMember(text: string, path: readonly string[], value: unknown): string {
	return put(text, text.indexOf('{'), path, value);
}

/** @param path of a member; nothing changes when there is none */
export function removeMember(text: string, path: readonly string[]): string {
	let open = text.indexOf('{');
	for (const [depth, key] of path.entries()) {
		const members = membersOf(text, open);
		const at = members.findIndex((member) => member.key === key);
		const member = members[at];
		if (!member) return text;
		if (depth === path.length - 1) return cut(text, open, members, at);
		if (text[member.value] !== '{') return text;
		open = member.value;
	}
	return text;
}

function put(text: string, open: number, [key = '', ...rest]: readonly string[], value: unknown): string {
	const members = membersOf(text, open);
	const there = members.find((member) => member.key === key);
	if (there && rest.length > 0 && text[there.value] === '{') return put(text, there.value, rest, value);
	const whole = rest.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
	if (there) return text.slice(0, there.value) + print(whole, indentAt(text, there.start), unitOf(text)) + text.slice(there.end);
	const last = members.at(-1);
	const isOnLines = last === undefined || text.slice(open, last.start).includes('\n');
	const outer = indentAt(text, open);
	const indent = last ? indentAt(text, last.start) : outer + unitOf(text);
	const member = `${JSON.stringify(key)}: ${isOnLines ? print(whole, indent, unitOf(text)) : JSON.stringify(whole)}`;
	if (last) return text.slice(0, last.end) + (isOnLines ? `,\n${indent}` : ', ') + member + text.slice(last.end);
	return `${text.slice(0, open)}{\n${indent}${member}\n${outer}}${text.slice(endOf(text, open))}`;
}

function cut(text: string, open: number, members: readonly Member[], at: number): string {
	const { start, end } = members[at]!;
	const [before, after] = [members[at - 1], members[at + 1]];
	if (before) return text.slice(0, before.end) + text.slice(end);
	if (after) return text.slice(0, start) + text.slice(after.start);
	return `${text.slice(0, open)}{}${text.slice(endOf(text, open))}`;
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

/** @param open offset of the brace of an object in a text that is JSON */
function membersOf(text: string, open: number): Member[] {
	const members: Member[] = [];
	let at = skipBlanks(text, open + 1);
	while (text[at] === '"') {
		const behindKey = endOf(text, at);
		const value = skipBlanks(text, skipBlanks(text, behindKey) + 1);
		const end = endOf(text, value);
		members.push({ key: JSON.parse(text.slice(at, behindKey)) as string, start: at, value, end });
		at = skipBlanks(text, end);
		if (text[at] === ',') at = skipBlanks(text, at + 1);
	}
	return members;
}

/** Behind the value that begins here. */
function endOf(text: string, start: number): number {
	let depth = 0;
	let at = start;
	do {
		const character = text[at]!;
		if (character === '"') at = behindString(text, at);
		else if (depth === 0 && !'{['.includes(character)) return at + /^[^\s,\]}]*/.exec(text.slice(at))![0].length;
		else {
			if ('{['.includes(character)) depth++;
			else if ('}]'.includes(character)) depth--;
			at++;
		}
	} while (depth > 0);
	return at;
}

function behindString(text: string, start: number): number {
	let at = start + 1;
	while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
	return at + 1;
}

function skipBlanks(text: string, at: number): number {
	while (/[ \t\r\n]/.test(text[at] ?? '')) at++;
	return at;
}

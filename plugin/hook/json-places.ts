/**
 * Where things stand in a JSON text (RFC 8259), so that a part of it can be replaced and every other
 * byte stays as it is: numbers beyond what JavaScript can hold, keys that nobody here knows.
 *
 * The text has to be valid; only its structure is looked at here.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';

/** From the first character of a value to behind its last. */
export interface Place {
	readonly start: number;
	readonly end: number;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{}]|[^\s"[\]{},:]+/gsy;
const SPACE = /[\s,:]*/y;

/**
 * @param object where an object stands
 * @returns key → its value's place
 * @throws BirthmarkError `request-malformed` for a key that is there twice, as Go compares keys: in any case
 */
export function membersOf(text: string, object: Place): ReadonlyMap<string, Place> {
	const members = new Map<string, Place>();
	const folded = new Set<string>();
	let at = afterSpace(text, object.start + 1);
	while (text[at] !== '}') {
		const name = valueAt(text, at);
		const value = valueAt(text, afterSpace(text, name.end));
		const key = JSON.parse(text.slice(name.start, name.end)) as string;
		if (folded.has(key.toLowerCase())) throw new BirthmarkError('request-malformed', `the configuration of the container has the key "${key}" twice`);
		folded.add(key.toLowerCase());
		members.set(key, value);
		at = afterSpace(text, value.end);
	}
	return members;
}

/** The value that begins at or after `at`. */
export function valueAt(text: string, at = 0): Place {
	const start = afterSpace(text, at);
	let position = start;
	let depth = 0;
	do {
		TOKEN.lastIndex = afterSpace(text, position);
		const token = TOKEN.exec(text)?.[0];
		if (token === undefined) throw new BirthmarkError('request-malformed', 'the configuration of the container is no JSON');
		if (token === '{' || token === '[') depth++;
		if (token === '}' || token === ']') depth--;
		position = TOKEN.lastIndex;
	} while (depth > 0);
	return { start, end: position };
}

/** Replaces and inserts; the places must not overlap. */
export function replaceAt(text: string, changes: readonly (Place & { readonly with: string })[]): string {
	return changes.toSorted((one, other) => other.start - one.start).reduce((result, { start, end, with: replacement }) => result.slice(0, start) + replacement + result.slice(end), text);
}

function afterSpace(text: string, at: number): number {
	SPACE.lastIndex = at;
	SPACE.test(text);
	return SPACE.lastIndex;
}

/**
 * Where things stand in a JSON text (RFC 8259), so that a part of it can be changed and every other
 * character stays as it is: order, blanks, numbers beyond what JavaScript can hold, keys that nobody
 * here knows. The text has to be valid; only its structure is looked at.
 */

/** From the first character of a value to behind its last. */
export interface Place {
	readonly start: number;
	readonly end: number;
}

export interface Member {
	/** as it reads, without escapes */
	readonly key: string;
	/** of the key, with its quotes */
	readonly name: Place;
	readonly value: Place;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{}]|[^\s"[\]{},:]+/gsy;
const SPACE = /[\s,:]*/y;

/** @param object where an object begins @returns in their order, also a key that is there twice */
export function membersOf(text: string, { start }: Pick<Place, 'start'>): Member[] {
	const members: Member[] = [];
	let at = afterSpace(text, start + 1);
	while (text[at] !== '}') {
		const name = valueAt(text, at);
		const value = valueAt(text, name.end);
		members.push({ key: JSON.parse(text.slice(name.start, name.end)) as string, name, value });
		at = afterSpace(text, value.end);
	}
	return members;
}

/** @param list where a list begins */
export function elementsOf(text: string, { start }: Pick<Place, 'start'>): Place[] {
	const elements: Place[] = [];
	for (let at = afterSpace(text, start + 1); text[at] !== ']';) {
		const element = valueAt(text, at);
		elements.push(element);
		at = afterSpace(text, element.end);
	}
	return elements;
}

/** The value that begins at or after `at`. @throws SyntaxError at the end of a text that is not valid */
export function valueAt(text: string, at = 0): Place {
	const start = afterSpace(text, at);
	let position = start;
	let depth = 0;
	do {
		TOKEN.lastIndex = afterSpace(text, position);
		const token = TOKEN.exec(text)?.[0];
		if (token === undefined) throw new SyntaxError('the text is no JSON');
		if (token === '{' || token === '[') depth++;
		if (token === '}' || token === ']') depth--;
		position = TOKEN.lastIndex;
	} while (depth > 0);
	return { start, end: position };
}

/** Replaces and inserts; the places must not overlap. Of two insertions at one place the later one comes first. */
export function replaceAt(text: string, changes: readonly (Place & { readonly with: string })[]): string {
	const parts: string[] = [];
	let at = 0;
	for (const { start, end, with: replacement } of changes.toReversed().toSorted((one, other) => one.start - other.start)) {
		parts.push(text.slice(at, start), replacement);
		at = end;
	}
	return [...parts, text.slice(at)].join('');
}

function afterSpace(text: string, at: number): number {
	SPACE.lastIndex = at;
	SPACE.test(text);
	return SPACE.lastIndex;
}

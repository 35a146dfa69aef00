/** Patterns of Cedar's `like`: literal characters, and `*` for any number of any characters. */

import type { PatternElem } from '@cedar-policy/cedar-wasm/web';

/** One element for each character; null is the wildcard. */
export type Pattern = readonly (string | null)[];

export function toPattern(elements: readonly PatternElem[]): Pattern {
	return elements.flatMap((element) => (element === 'Wildcard' ? [null] : [...element.Literal]));
}

/** The pattern that only this text matches. */
export function exactly(text: string): Pattern {
	return [...text];
}

/** Beyond this nothing is said about a pattern. */
const MAX_LENGTH = 512;

/** May there be a text that matches both? */
export function meet(one: Pattern, other: Pattern): boolean {
	return isLong(one) || isLong(other) || doMeet(one, other);
}

function isLong({ length }: Pattern): boolean {
	return length > MAX_LENGTH;
}

function doMeet(one: Pattern, other: Pattern): boolean {
	const known = new Map<string, boolean>();
	const from = (i: number, j: number): boolean => {
		const key = `${i},${j}`;
		const before = known.get(key);
		if (before !== undefined) return before;
		const found = step(i, j);
		known.set(key, found);
		return found;
	};
	const step = (i: number, j: number): boolean => {
		if (i === one.length && j === other.length) return true;
		if (one[i] === null && (from(i + 1, j) || (j < other.length && from(i, j + 1)))) return true;
		if (other[j] === null && (from(i, j + 1) || (i < one.length && from(i + 1, j)))) return true;
		return i < one.length && j < other.length && one[i] !== null && one[i] === other[j] && from(i + 1, j + 1);
	};
	return from(0, 0);
}

/**
 * Does every text that matches `narrow` certainly match `wide`? It does if `wide` takes a character that it does
 * not name in place of each wildcard: that one only its own wildcards take, and those take any text.
 */
export function includes(wide: Pattern, narrow: Pattern): boolean {
	const stranger = '\u0000stranger';
	return !isLong(wide) && !isLong(narrow) && doMeet(wide, narrow.map((element) => element ?? stranger));
}

export function showPattern(pattern: Pattern): string {
	return pattern.map((element) => (element === null ? '*' : element === '*' ? '\\*' : element)).join('');
}

/**
 * How much one call may name of what costs work for each: a body of a megabyte has room for a hundred
 * thousand, and the engine takes that many. What costs nothing is not counted.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';

export const MAX_PATHS = 1000;
/** Of all these paths together: each part of one is looked at, whether it is a link, and a path has room for two thousand. */
export const MAX_PARTS = 20_000;
/** Each costs one question to the engine, or a few. */
export const MAX_QUESTIONS = 250;

/**
 * @param what they are, in the plural
 * @returns each once
 * @throws BirthmarkError `request-too-large`
 */
export function bounded(names: Iterable<string>, what: string, limit = MAX_QUESTIONS): ReadonlySet<string> {
	const distinct = new Set(names);
	if (distinct.size > limit) throw tooMany(what, limit);
	return distinct;
}

export function tooMany(what: string, limit: number): BirthmarkError {
	return new BirthmarkError('request-too-large', `the request leads to more than ${limit} ${what}, each of which would have to be looked at; name fewer`);
}

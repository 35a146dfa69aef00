/**
 * Tokens that a node chooses itself, as Pollendina's clients do, instead of having the CA mint one. The
 * CA cannot make them good, it can only refuse those that are not even long enough to be.
 */

import { createHash } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';

/** No dot, so that it is no JWT. */
const GRAMMAR = /^[A-Za-z0-9_-]{22,128}$/;
/** Of the CA's own tokens. */
const RESERVED = /^BMK/;
const MIN_BITS = 128;
/** Of all versions of UUID only the fourth is random; the others are a clock, an address or a name (RFC 9562 §5). */
const UUID_NOT_RANDOM = /^[0-9a-f]{8}-[0-9a-f]{4}-[^4][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Random digits are of many kinds. */
const MIN_DIFFERENT = 8;

/** True for what can be such a token, and then is no token of the CA's own. */
export function isChosenToken(text: string): boolean {
	return GRAMMAR.test(text) && !RESERVED.test(text) && !UUID_NOT_RANDOM.test(text) && bitsOf(text) >= MIN_BITS && new Set(text).size >= MIN_DIFFERENT && !repeatsItself(text);
}

/** @throws BirthmarkError `token-malformed`; the message never repeats the text */
export function checkChosenToken(text: string): string {
	if (isChosenToken(text)) return text;
	throw new BirthmarkError('token-malformed', 'the token is too weak: choose 128 random bits or more, 32 hexadecimal digits, a random UUID or 22 characters of base64url, at most 128 characters');
}

/** What the store knows the token by; never that of a token of the CA's own. */
export function chosenTokenHash(text: string): Buffer {
	return createHash('sha256').update('birthmark chosen token\0').update(text).digest();
}

/** What stands for a container of which the CA knows only its token, in the form of a container's id. */
export function chosenContainerId(text: string): string {
	return createHash('sha256').update('birthmark container of chosen token\0').update(text).digest('hex');
}

/** As many as random characters of the kinds that occur would hold; hyphens of a UUID hold none. */
function bitsOf(text: string): number {
	const digits = text.replaceAll('-', '');
	if (/^[0-9]*$/.test(digits)) return digits.length * Math.log2(10);
	if (/^[0-9a-f]*$/i.test(digits)) return digits.length * 4;
	if (/^[0-9a-z]*$/.test(digits)) return digits.length * Math.log2(36);
	return text.length * 6;
}

/** True for a word over and over, the last time perhaps not whole. */
function repeatsItself(text: string): boolean {
	for (let length = 1; length <= text.length / 2; length++) {
		if (text.startsWith(text.slice(length))) return true;
	}
	return false;
}

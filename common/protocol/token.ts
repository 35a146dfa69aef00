/**
 * The token grammar, one for both kinds:
 *
 *     BMKTKN-1-<digest>-<secret>    one start of one container
 *     BMKJOIN-1-<digest>-<secret>   one node (or operator) that joins
 *
 * `digest` is SHA-256 over the exact bytes of the whole trust bundle as `GET /v1/roots` serves it,
 * base 36, 50 characters; `secret` is 128 random bits, base 36, 25 characters. The prefix lets
 * secret scanners find a leaked token. The CA stores {@link secretHash} only.
 */

import { createHash, randomBytes } from 'node:crypto';
import { decodeBase36, encodeBase36 } from './base36.ts';
import { BirthmarkError } from './errors.ts';

export type TokenKind = 'container' | 'join';

export interface Token {
	readonly kind: TokenKind;
	/** SHA-256 of the trust bundle, 32 bytes */
	readonly bundleDigest: Buffer;
	/** 16 bytes */
	readonly secret: Buffer;
}

const PREFIXES: Readonly<Record<TokenKind, string>> = { container: 'BMKTKN', join: 'BMKJOIN' };
const DIGEST_BYTES = 32;
const DIGEST_DIGITS = 50; // 36^50 > 2^256
const SECRET_BYTES = 16;
const SECRET_DIGITS = 25; // 36^25 > 2^128
const GRAMMAR = /^(BMKTKN|BMKJOIN)-1-([0-9a-z]{50})-([0-9a-z]{25})$/;

/** A fresh token from 128 bits of the system's random source. */
export function createToken(kind: TokenKind, bundleDigest: Uint8Array, random: (bytes: number) => Uint8Array = randomBytes): Token {
	if (bundleDigest.length !== DIGEST_BYTES) throw new TypeError(`a bundle digest has ${DIGEST_BYTES} bytes`);
	return { kind, bundleDigest: Buffer.from(bundleDigest), secret: Buffer.from(random(SECRET_BYTES)) };
}

/** The token as text, 85 or 86 characters. */
export function formatToken(token: Token): string {
	return `${PREFIXES[token.kind]}-1-${encodeBase36(token.bundleDigest, DIGEST_DIGITS)}-${encodeBase36(token.secret, SECRET_DIGITS)}`;
}

/**
 * Parses strictly: prefix, lengths, alphabet and value range.
 *
 * @throws BirthmarkError `token-malformed`; the message never repeats the text
 */
export function parseToken(text: string, kind: TokenKind): Token {
	const match = GRAMMAR.exec(text);
	if (!match || match[1] !== PREFIXES[kind]) throw new BirthmarkError('token-malformed', `this is not a ${kind} token (${PREFIXES[kind]}-1-…)`);
	const bundleDigest = decodeBase36(match[2]!, DIGEST_BYTES);
	const secret = decodeBase36(match[3]!, SECRET_BYTES);
	if (!bundleDigest || !secret) throw new BirthmarkError('token-malformed', 'a field of the token is out of range');
	return { kind, bundleDigest, secret };
}

/** What the CA stores and looks up instead of the secret: SHA-256 over kind and secret, 32 bytes. */
export function secretHash(token: Pick<Token, 'kind' | 'secret'>): Buffer {
	return createHash('sha256').update(`birthmark ${PREFIXES[token.kind]} 1\0`).update(token.secret).digest();
}

/** SHA-256 over the exact bytes of the bundle as served. */
export function bundleDigest(bundle: Uint8Array | string): Buffer {
	return createHash('sha256').update(bundle).digest();
}

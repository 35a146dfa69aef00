/**
 * The token that a user signs, off line, with a key of his own: a JWT (RFC 7519) as compact JWS
 * (RFC 7515 §7.1). Its header has exactly `alg`, `kid` and `typ`, its payload exactly
 * {@link UserTokenClaims}. What is here needs no library and verifies nothing: it tells such a token
 * from the CA's own, and finds the digest that it pins. Verifying is the CA's
 * (`ca/registration/user-token.ts`).
 */

import { BirthmarkError } from './errors.ts';
import { parseUniqueJson } from './strict-json.ts';

/** `typ` of the header (RFC 8725 §3.11): no other JWT that was signed with the same key is one. */
export const USER_TOKEN_TYPE = 'birthmark-token+jwt';
/** Long enough for an RS256 signature of 4096 bits and 16 DNS names. */
export const MAX_USER_TOKEN_LENGTH = 6144;
/** The role (OU) that a token asks for when nobody says which. */
export const DEFAULT_USER_TOKEN_ROLE = 'service';

export type UserTokenAlgorithm = 'ES256' | 'EdDSA' | 'RS256';

export interface UserTokenClaims {
	/** the user's name */
	readonly iss: string;
	/** CN */
	readonly sub: string;
	/** OU */
	readonly ou: string;
	/** DNS names beside the CN */
	readonly dns: readonly string[];
	/** SHA-256 of the trust bundle, 64 hexadecimal digits */
	readonly aud: string;
	/** seconds since 1970, as `nbf` and `exp` */
	readonly iat: number;
	readonly nbf: number;
	readonly exp: number;
	/** 128 random bits or more, base64url */
	readonly jti: string;
}

const GRAMMAR = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** The CA's own tokens have no dots, a compact JWS has two. */
export function looksLikeUserToken(text: string): boolean {
	return text.includes('.');
}

/**
 * The digest that the token pins. Good only to choose a trust bundle: nothing was verified.
 *
 * @returns 32 bytes
 * @throws BirthmarkError `token-malformed`; the message never repeats the text
 */
export function userTokenBundleDigest(text: string): Buffer {
	if (text.length > MAX_USER_TOKEN_LENGTH || !GRAMMAR.test(text)) throw malformed();
	const [header, claims] = text.split('.').map(decodePart);
	let payload: unknown;
	try {
		// The library that verifies takes the last of two (RFC 7515 §4 and RFC 7519 §4 leave that open).
		parseUniqueJson(header!);
		payload = parseUniqueJson(claims!);
	} catch (cause) {
		throw malformed(cause);
	}
	const audience = typeof payload === 'object' && payload !== null && 'aud' in payload ? payload.aud : undefined;
	if (typeof audience !== 'string' || !/^[0-9a-f]{64}$/.test(audience)) throw malformed();
	return Buffer.from(audience, 'hex');
}

/** Strictly, so that a token has one spelling: digits have no bits to spare (RFC 4648 §3.5). */
function decodePart(encoded: string): Buffer {
	const bytes = Buffer.from(encoded, 'base64url');
	if (bytes.toString('base64url') !== encoded) throw malformed();
	return bytes;
}

function malformed(cause?: unknown): BirthmarkError {
	return new BirthmarkError('token-malformed', 'this is not a token that a user signed (birthmark user token)', { cause });
}

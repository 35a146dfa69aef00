/**
 * Verifying the tokens that users sign (RFC 7519, as RFC 8725 would have it): the algorithm is the
 * user's, never the token's choice; type, key, claims and audience are all compared; what is unknown
 * is refused. Nothing is burnt here, and nothing is said about why before the signature held.
 */

import { createPublicKey, timingSafeEqual } from 'node:crypto';
import { compactVerify, decodeJwt, decodeProtectedHeader, errors } from 'jose';
import { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { MAX_USER_TOKEN_LENGTH, USER_TOKEN_TYPE, userTokenBundleDigest, type UserTokenClaims } from '#common/protocol/user-token.ts';
import type { TrustState } from '../issuance/authorities.ts';
import type { UserRecord } from '../store/records.ts';
import { UnknownBundleError } from './unknown-bundle.ts';
import { userKeyId } from './user-key.ts';

/** The alphabet of users' names; whatever else a stranger writes there is not looked for. */
const userName = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);
/** RFC 7519 §2 NumericDate, whole seconds, before the year 10000. */
const instant = z.int().min(0).max(253_402_300_799);
const claimsSchema = z.strictObject({
	iss: userName,
	sub: z.string().min(1).max(64),
	ou: z.string().min(1).max(64),
	dns: z.array(z.string().min(1).max(253)).max(16),
	aud: z.string().regex(/^[0-9a-f]{64}$/),
	iat: instant,
	nbf: instant,
	exp: instant,
	// 22 characters hold 128 bits (RFC 4648 §5).
	jti: z.string().regex(/^[A-Za-z0-9_-]{22,128}$/),
}) satisfies z.ZodType<UserTokenClaims>;
const headerSchema = z.strictObject({ alg: z.string(), kid: z.string(), typ: z.literal(USER_TOKEN_TYPE) });

export interface UserTokenDeps {
	findUser(name: string): Promise<UserRecord | undefined>;
	readonly trust: Pick<TrustState, 'acceptedDigests'>;
	readonly now: Date;
	readonly maximumSeconds: number;
	readonly skewSeconds: number;
}

export interface VerifiedUserToken {
	readonly user: UserRecord;
	readonly claims: UserTokenClaims;
	/** past its time: good only for asking again what was answered before */
	readonly isExpired: boolean;
}

/** @throws BirthmarkError `token-malformed`, `token-invalid`, UnknownBundleError when it is for another trust bundle */
export async function verifyUserToken(text: string, { findUser, trust, now, maximumSeconds, skewSeconds }: UserTokenDeps): Promise<VerifiedUserToken> {
	// Size, grammar and audience are right before anything else is looked at.
	if (text.length > MAX_USER_TOKEN_LENGTH) throw new BirthmarkError('token-malformed', 'the token is longer than any that a user signs');
	userTokenBundleDigest(text);
	const { issuer, header } = unverified(text);
	const user = await findUser(issuer);
	// One answer for all of these: who has no key learns nothing of users and keys.
	if (user?.status !== 'active' || header.alg !== user.algorithm || header.kid !== await userKeyId(user.publicKey)) throw untrusted();
	const claims = parseClaims(await verifiedPayload(text, user));

	const audience = Buffer.from(claims.aud, 'hex');
	// Every one of them, so that the time tells nothing about which.
	const matches = trust.acceptedDigests.map((digest) => timingSafeEqual(digest, audience));
	if (!matches.includes(true)) throw new UnknownBundleError();
	const seconds = now.getTime() / 1000;
	if (claims.iat > seconds + skewSeconds || claims.nbf > seconds + skewSeconds) throw new BirthmarkError('token-invalid', 'the token is not good yet: compare the clock of whoever signed it with the CA\'s');
	if (claims.exp <= claims.nbf || claims.exp - claims.iat > maximumSeconds) throw new BirthmarkError('token-invalid', `the token is good for longer than the ${maximumSeconds} seconds that this CA accepts, or for no time at all`);
	return { user, claims, isExpired: claims.exp <= seconds };
}

function unverified(text: string): { issuer: string; header: z.output<typeof headerSchema> } {
	try {
		return { issuer: userName.parse(decodeJwt(text).iss), header: headerSchema.parse(decodeProtectedHeader(text)) };
	} catch (cause) {
		throw new BirthmarkError('token-malformed', `the token has no header of exactly alg, kid and typ "${USER_TOKEN_TYPE}", or no issuer`, { cause });
	}
}

async function verifiedPayload(text: string, user: UserRecord): Promise<Uint8Array> {
	try {
		return (await compactVerify(text, createPublicKey(user.publicKey), { algorithms: [user.algorithm] })).payload;
	} catch (cause) {
		if (cause instanceof errors.JOSEError) throw untrusted(cause);
		throw cause;
	}
}

function parseClaims(payload: Uint8Array): UserTokenClaims {
	const result = claimsSchema.safeParse(JSON.parse(Buffer.from(payload).toString('utf8')));
	if (result.success) return result.data;
	const faults = result.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`);
	throw new BirthmarkError('token-invalid', `the claims of the token have faults: ${faults.slice(0, 10).join('; ')}`);
}

function untrusted(cause?: unknown): BirthmarkError {
	return new BirthmarkError('token-invalid', 'the token is not signed by an active user of this CA with the key that the CA has of him', { cause });
}

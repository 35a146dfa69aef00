/** Signing a user's token, off line. `docs/api.md` describes the format, the CA verifies it in `ca/registration/user-token.ts`. */

import { createPublicKey, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import { USER_TOKEN_TYPE, type UserTokenClaims } from '#common/protocol/user-token.ts';
import type { UserKey } from './user-key.ts';

export interface TokenRequest {
	readonly user: string;
	readonly commonName: string;
	readonly organizationalUnit: string;
	readonly dnsNames: readonly string[];
	/** of the trust bundle, 64 hexadecimal digits */
	readonly bundleDigest: string;
	readonly ttlSeconds: number;
	readonly now: Date;
}

/** @returns the token and when it ends */
export async function signUserToken(key: UserKey, request: TokenRequest): Promise<{ token: string; expiresAt: Date }> {
	const iat = Math.floor(request.now.getTime() / 1000);
	const claims: UserTokenClaims = {
		iss: request.user,
		sub: request.commonName,
		ou: request.organizationalUnit,
		dns: request.dnsNames,
		aud: request.bundleDigest,
		iat,
		nbf: iat,
		exp: iat + request.ttlSeconds,
		jti: randomBytes(16).toString('base64url'),
	};
	const kid = await calculateJwkThumbprint(await exportJWK(createPublicKey(key.privateKey)));
	const token = await new SignJWT({ ...claims }).setProtectedHeader({ alg: key.algorithm, kid, typ: USER_TOKEN_TYPE }).sign(key.privateKey);
	return { token, expiresAt: new Date(claims.exp * 1000) };
}

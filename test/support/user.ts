/** Users of a test's CA, and tokens of theirs with any fault that a test wants. */

import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { CompactSign, calculateJwkThumbprint, exportJWK } from 'jose';
import { USER_TOKEN_TYPE, type UserTokenAlgorithm } from '#common/protocol/user-token.ts';
import { sha256, type TestCa } from './ca.ts';

export interface TestUser {
	readonly name: string;
	readonly privateKey: KeyObject;
	/** SubjectPublicKeyInfo, PEM */
	readonly publicKey: string;
	/** A token for these claims; what is given replaces what would be right, undefined leaves it out. */
	token(claims?: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): Promise<string>;
	/** A token whose payload is this text. */
	signed(payload: string, header?: Readonly<Record<string, unknown>>): Promise<string>;
}

export function newUserKey(algorithm: UserTokenAlgorithm): { publicKey: KeyObject; privateKey: KeyObject } {
	switch (algorithm) {
		case 'ES256': return generateKeyPairSync('ec', { namedCurve: 'P-256' });
		case 'EdDSA': return generateKeyPairSync('ed25519');
		case 'RS256': return generateKeyPairSync('rsa', { modulusLength: 2048 });
	}
}

/** A user that the CA has not heard of. */
export async function strangerOf(ca: Pick<TestCa, 'bundle'>, name: string, algorithm: UserTokenAlgorithm = 'ES256', now: () => Date = () => new Date()): Promise<TestUser> {
	const { publicKey, privateKey } = newUserKey(algorithm);
	const kid = await calculateJwkThumbprint(await exportJWK(publicKey));
	const signed = (payload: string, header: Readonly<Record<string, unknown>> = {}) =>
		new CompactSign(Buffer.from(payload)).setProtectedHeader({ alg: algorithm, kid, typ: USER_TOKEN_TYPE, ...header } as { alg: string }).sign(privateKey);
	return {
		name,
		privateKey,
		signed,
		publicKey: publicKey.export({ format: 'pem', type: 'spki' }),
		async token(claims = {}, header = {}) {
			const iat = Math.floor(now().getTime() / 1000);
			const right = { iss: name, sub: 'api01', ou: 'web-api', dns: [], aud: sha256(ca.bundle), iat, nbf: iat, exp: iat + 600, jti: randomBytes(16).toString('base64url') };
			return signed(JSON.stringify({ ...right, ...claims }), header);
		},
	};
}

/** A user with these allow rules. */
export async function addUser(ca: Pick<TestCa, 'bundle' | 'admin'>, name: string, allow: readonly string[] = ['api??/web-api'], algorithm: UserTokenAlgorithm = 'ES256', now?: () => Date): Promise<TestUser> {
	const user = await strangerOf(ca, name, algorithm, now);
	const { status, text } = await ca.admin('POST', '/v1/users', { name, publicKey: user.publicKey, allow });
	if (status !== 201) throw new Error(`the CA answered ${status}: ${text}`);
	return user;
}

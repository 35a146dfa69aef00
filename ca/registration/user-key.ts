/** Keys of users: which are accepted, and the one algorithm that each of them signs with (RFC 7518 §3.1, RFC 8037 §3.1). */

import { createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { UserTokenAlgorithm } from '#common/protocol/user-token.ts';
import { acceptPublicKey } from '#common/x509/algorithms.ts';

/** As node:crypto names them; what is not in the table is refused. */
const ALGORITHMS: Readonly<Record<string, UserTokenAlgorithm>> = { 'ec prime256v1': 'ES256', ed25519: 'EdDSA', rsa: 'RS256' };

export interface UserKey {
	/** SubjectPublicKeyInfo, PEM, as this program writes it */
	readonly pem: string;
	readonly algorithm: UserTokenAlgorithm;
}

/**
 * The token never chooses its algorithm: the key does, once, when the user is added.
 *
 * @param pem SubjectPublicKeyInfo
 * @throws BirthmarkError `request-malformed` for what is no public key, `csr-key-weak`, `csr-key-unsupported`
 */
export function readUserKey(pem: string): UserKey {
	// A private key would be taken as well, and then it would have travelled.
	if (!/^\s*-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----\s*$/.test(pem)) throw new BirthmarkError('request-malformed', 'publicKey is not one PEM block "PUBLIC KEY"');
	let key: KeyObject;
	try {
		key = createPublicKey(pem);
	} catch (cause) {
		throw new BirthmarkError('request-malformed', 'publicKey cannot be read', { cause });
	}
	acceptPublicKey(key.export({ format: 'der', type: 'spki' }));
	const algorithm = ALGORITHMS[[key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve].filter(Boolean).join(' ')];
	if (!algorithm) throw new BirthmarkError('csr-key-unsupported', 'users sign with EC P-256 (ES256), Ed25519 (EdDSA) or RSA (RS256)');
	return { pem: key.export({ format: 'pem', type: 'spki' }), algorithm };
}

/** The JWK thumbprint (RFC 7638) that tokens carry as `kid`. */
export async function userKeyId(pem: string): Promise<string> {
	return calculateJwkThumbprint(await exportJWK(createPublicKey(pem)));
}

/** Private keys of the CA: P-256, kept as PKCS#8 PEM (RFC 5958). */

import { createPublicKey, createPrivateKey, generateKeyPairSync, type KeyObject, type webcrypto } from 'node:crypto';
import { CA_KEY_ALGORITHM } from './algorithms.ts';

export interface SigningKey {
	/** for signatures by node:crypto */
	readonly privateKey: KeyObject;
	/** the same key for the certificate library, imported once */
	readonly webKey: webcrypto.CryptoKey;
	/** SubjectPublicKeyInfo, DER */
	readonly publicKey: Buffer;
}

/** A fresh P-256 key; the caller stores {@link exportSigningKey} or lets it die with the process. */
export function generateSigningKey(): SigningKey {
	return fromPrivateKey(generateKeyPairSync('ec', { namedCurve: CA_KEY_ALGORITHM.namedCurve }).privateKey);
}

/** @throws TypeError when it is no private EC P-256 key in PEM */
export function importSigningKey(pem: string): SigningKey {
	const privateKey = createPrivateKey(pem);
	if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new TypeError('the key of the CA is not an EC P-256 key');
	return fromPrivateKey(privateKey);
}

/** PKCS#8 PEM. */
export function exportSigningKey(key: SigningKey): string {
	return key.privateKey.export({ format: 'pem', type: 'pkcs8' });
}

function fromPrivateKey(privateKey: KeyObject): SigningKey {
	return {
		privateKey,
		webKey: privateKey.toCryptoKey(CA_KEY_ALGORITHM, false, ['sign']),
		publicKey: createPublicKey(privateKey).export({ format: 'der', type: 'spki' }),
	};
}

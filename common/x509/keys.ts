/** Private keys of the CA: P-256, as PKCS#8 (RFC 5958). */

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { CA_CURVE } from './algorithms.ts';

export interface SigningKey {
	readonly privateKey: KeyObject;
	/** SubjectPublicKeyInfo, DER */
	readonly publicKey: Buffer;
}

/** A fresh P-256 key; the caller keeps it, encrypted, or lets it die with the process. */
export function generateSigningKey(): SigningKey {
	return fromPrivateKey(generateKeyPairSync('ec', { namedCurve: CA_CURVE.name }).privateKey);
}

/** @throws TypeError when it is no private EC P-256 key in PEM */
export function importSigningKey(pem: string): SigningKey {
	return fromPrivateKey(createPrivateKey(pem));
}

/** @throws TypeError when it is no private EC P-256 key in PKCS#8 */
export function importSigningKeyDer(der: Buffer): SigningKey {
	return fromPrivateKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
}

/** PKCS#8 PEM, not encrypted. */
export function exportSigningKey(key: SigningKey): string {
	return key.privateKey.export({ format: 'pem', type: 'pkcs8' });
}

function fromPrivateKey(privateKey: KeyObject): SigningKey {
	if (privateKey.asymmetricKeyDetails?.namedCurve !== CA_CURVE.opensslName) throw new TypeError('the key of the CA is not an EC P-256 key');
	return { privateKey, publicKey: createPublicKey(privateKey).export({ format: 'der', type: 'spki' }) };
}

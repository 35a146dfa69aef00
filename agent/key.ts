/** The private key of one certificate: made here, never sent anywhere, new for every certificate. */

import { generateKeyPairSync } from 'node:crypto';
import { encodeCsr } from '#common/x509/csr-encode.ts';

export interface KeyWithRequest {
	/** PKCS#8 PEM */
	readonly key: string;
	/** PEM, without a name: the CA knows which name the token or certificate stands for */
	readonly csr: string;
}

/** EC P-256 (FIPS 186-5), from the operating system's random source. */
export function generateKey(): KeyWithRequest {
	const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	return { key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), csr: encodeCsr(pair) };
}

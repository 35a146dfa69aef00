/** Root, intermediate and what hangs below them, as the CA makes them: for tests of formats that need no running CA. */

import { randomBytes } from 'node:crypto';
import { issuerOf, signCertificate, signIntermediate, signSelf, type Issuer } from '#common/x509/certificate.ts';
import type { Pointers, Purpose } from '#common/x509/extensions.ts';
import { generateSigningKey, type SigningKey } from '#common/x509/keys.ts';
import { encodePem } from '#common/x509/pem.ts';
import { leafExtensions, ocspExtensions, type IntermediateOptions } from '#common/x509/profile.ts';
import { createSerial } from '#common/x509/serial.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Tests of verifiers need certificates that the CA would not sign. */
export const unlinted = () => undefined;

export interface Pki {
	/** DER */
	readonly root: Buffer;
	readonly rootIssuer: Issuer;
	/** DER */
	readonly intermediate: Buffer;
	readonly issuer: Issuer;
	/** from a minute ago to tomorrow, whole seconds */
	readonly dates: { readonly notBefore: Date; readonly notAfter: Date };
}

export interface IssuedLeaf {
	/** DER */
	readonly der: Buffer;
	readonly serial: string;
	readonly key: SigningKey;
}

export function createPki(options: IntermediateOptions = {}): Pki {
	const now = Math.floor(Date.now() / 1000) * 1000;
	const dates = { notBefore: new Date(now - 60_000), notAfter: new Date(now + DAY_MS) };
	const [rootKey, key] = [generateSigningKey(), generateSigningKey()];
	const serial = () => createSerial(randomBytes);
	const root = signSelf({ serial: serial(), subject: subject('Root'), publicKey: rootKey.publicKey, ...dates }, rootKey);
	const rootIssuer = issuerOf(root, rootKey);
	const intermediate = signIntermediate({ serial: serial(), subject: subject('Intermediate'), publicKey: key.publicKey, ...dates }, options, rootIssuer);
	return { root, rootIssuer, intermediate, issuer: issuerOf(intermediate, key), dates };
}

export function issueLeaf({ issuer, dates }: Pki, dnsNames: readonly string[] = ['api01'], purposes: readonly Purpose[] = ['serverAuth', 'clientAuth'], pointers: Pointers = {}): IssuedLeaf {
	const key = generateSigningKey();
	const serial = createSerial(randomBytes);
	const names = { dnsNames, spiffeId: `spiffe://example.org/test/web/${dnsNames[0] ?? 'api01'}` };
	const der = signCertificate(
		{ serial, subject: subject(dnsNames[0] ?? 'api01'), publicKey: key.publicKey, ...dates, extensions: leafExtensions(key.publicKey, issuer.keyId, names, purposes, pointers) },
		issuer,
		unlinted,
	);
	return { der, serial, key };
}

export function issueResponder({ issuer, dates }: Pki): IssuedLeaf {
	const key = generateSigningKey();
	const serial = createSerial(randomBytes);
	const der = signCertificate({ serial, subject: subject('OCSP'), publicKey: key.publicKey, ...dates, extensions: ocspExtensions(key.publicKey, issuer.keyId) }, issuer, unlinted);
	return { der, serial, key };
}

export function pem(...certificates: readonly Buffer[]): string {
	return certificates.map((der) => encodePem('CERTIFICATE', der)).join('');
}

function subject(commonName: string) {
	return { commonName, organization: 'example.org' };
}

/**
 * Making certificates (RFC 5280 §4.1). The signing path of the library is slow, which is why what
 * the rest of the CA sees of it is one function from {@link ToBeSigned} to DER.
 */

import { X509Certificate } from 'node:crypto';
import { CA_SIGNATURE_HASH } from './algorithms.ts';
import { DecodedCertificate, Name, X509CertificateGenerator, type Extension } from './library.ts';
import type { SigningKey } from './keys.ts';
import { keyIdentifier } from './profile.ts';

/** A distinguished name as the project writes it. */
export interface Subject {
	readonly commonName: string;
	readonly organizationalUnit?: string;
	readonly organization: string;
}

export interface ToBeSigned {
	/** 32 hexadecimal digits, see `serial.ts` */
	readonly serial: string;
	readonly subject: Subject;
	/** SubjectPublicKeyInfo, DER */
	readonly publicKey: Buffer;
	/** whole seconds */
	readonly notBefore: Date;
	/** whole seconds */
	readonly notAfter: Date;
	readonly extensions: readonly Extension[];
}

export interface Issuer {
	readonly key: SigningKey;
	/** its subject, DER, copied byte for byte into what it issues (RFC 5280 §4.1.2.4) */
	readonly name: Buffer;
	readonly keyId: Buffer;
	readonly notAfter: Date;
}

/** @returns the certificate, DER */
export async function signCertificate(tbs: ToBeSigned, issuer: Issuer): Promise<Buffer> {
	return sign(tbs, issuer.key, new Name(issuer.name));
}

/** A root: subject and issuer are the same, so are the key that it carries and the one that signs. */
export async function signSelf(tbs: ToBeSigned, key: SigningKey): Promise<Buffer> {
	return sign(tbs, key, distinguishedName(tbs.subject));
}

/** What is needed to issue under a CA certificate; the key must belong to it. */
export function issuerOf(certificate: Buffer, key: SigningKey): Issuer {
	const decoded = new DecodedCertificate(certificate);
	if (!new X509Certificate(certificate).checkPrivateKey(key.privateKey)) throw new TypeError('the key does not belong to the certificate of the issuer');
	return { key, name: Buffer.from(decoded.subjectName.toArrayBuffer()), keyId: keyIdentifier(key.publicKey), notAfter: decoded.notAfter };
}

async function sign(tbs: ToBeSigned, key: SigningKey, issuer: Name): Promise<Buffer> {
	const certificate = await X509CertificateGenerator.create({
		serialNumber: tbs.serial,
		subject: distinguishedName(tbs.subject),
		issuer,
		publicKey: tbs.publicKey,
		notBefore: tbs.notBefore,
		notAfter: tbs.notAfter,
		signingKey: key.webKey,
		signingAlgorithm: { name: 'ECDSA', hash: CA_SIGNATURE_HASH },
		extensions: [...tbs.extensions],
	});
	return Buffer.from(certificate.rawData);
}

/** O, OU, CN, most significant first, each a UTF8String of its own RDN. */
function distinguishedName(subject: Subject): Name {
	return new Name([
		{ O: [{ utf8String: subject.organization }] },
		...(subject.organizationalUnit === undefined ? [] : [{ OU: [{ utf8String: subject.organizationalUnit }] }]),
		{ CN: [{ utf8String: subject.commonName }] },
	]);
}

/**
 * Reading certificate signing requests (PKCS#10, RFC 2986) from people we do not trust.
 *
 * The CA takes the public key and nothing else, after checking that the request is signed with it:
 * the proof of possession. The common name is returned only so that a request meant for another
 * identity can be told from ours.
 */

import { createHash, verify } from 'node:crypto';
import { BirthmarkError } from '../protocol/errors.ts';
import { MAX_CSR_BYTES } from '../protocol/messages.ts';
import { acceptPublicKey, signatureDigest } from './algorithms.ts';
import { elementAt, Tag } from './der.ts';
import { Pkcs10CertificateRequest } from './library.ts';
import { decodePem } from './pem.ts';

export interface VerifiedCsr {
	/** SubjectPublicKeyInfo, DER */
	readonly publicKey: Buffer;
	/** SHA-256 over {@link publicKey}, 32 bytes: what tells one key from another in the store */
	readonly publicKeyHash: Buffer;
	/** the CN of its subject, undefined when the subject has none */
	readonly commonName: string | undefined;
}

/** The only version there is, INTEGER 0. */
const VERSION_1 = Buffer.from('020100', 'hex');
const PEM_START = Buffer.from('-----BEGIN ');
const PEM_LABELS = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'];

/**
 * Exactly one PKCS#10 structure, PEM or DER, signed with the key that it carries.
 *
 * @param bytes as received
 * @throws BirthmarkError `csr-malformed`, `csr-key-weak`, `csr-key-unsupported`, `csr-signature-invalid`; nothing else, whatever the bytes
 */
export function verifyCsr(bytes: Uint8Array): VerifiedCsr {
	if (bytes.length > MAX_CSR_BYTES) throw new BirthmarkError('csr-malformed', `the certificate signing request is larger than ${MAX_CSR_BYTES} bytes`);
	const der = toDer(Buffer.from(bytes));
	const { csr, publicKey, commonName } = decode(der);
	const key = acceptPublicKey(publicKey);
	const digest = signatureDigest(signatureAlgorithm(csr), key);
	if (!isSignedBy(key, digest, signedPart(der), Buffer.from(csr.signature))) {
		throw new BirthmarkError('csr-signature-invalid', 'the certificate signing request is not signed by the key it carries');
	}
	return { publicKey, publicKeyHash: publicKeyHash(publicKey), commonName };
}

/** SHA-256 over a SubjectPublicKeyInfo. */
export function publicKeyHash(spki: Uint8Array): Buffer {
	return createHash('sha256').update(spki).digest();
}

function toDer(bytes: Buffer): Buffer {
	const der = isPem(bytes) ? fromPem(bytes.toString('latin1')) : bytes;
	const outer = der && elementAt(der, 0);
	if (!der || outer?.tag !== Tag.sequence || outer.end !== der.length) throw malformed();
	return der;
}

function isPem(bytes: Buffer): boolean {
	return bytes.subarray(0, 64).toString('latin1').trimStart().startsWith(PEM_START.toString());
}

function fromPem(text: string): Buffer | undefined {
	for (const label of PEM_LABELS) {
		const blocks = decodePem(label, text);
		if (blocks?.length === 1) return blocks[0];
	}
	return undefined;
}

function decode(der: Buffer): { csr: Pkcs10CertificateRequest; publicKey: Buffer; commonName: string | undefined } {
	try {
		const csr = new Pkcs10CertificateRequest(der);
		const commonNames = csr.subjectName.getField('CN');
		if (commonNames.length > 1) throw new RangeError('more than one common name');
		return { csr, publicKey: publicKeyOf(der), commonName: commonNames[0] };
	} catch (cause) {
		throw malformed(cause);
	}
}

/** The signed CertificationRequestInfo as it was received: the first element of the outer sequence. */
function signedPart(der: Buffer): Buffer {
	const outer = elementAt(der, 0);
	const info = outer && elementAt(der, outer.contents);
	if (info?.tag !== Tag.sequence) throw malformed();
	return der.subarray(info.start, info.end);
}

/**
 * SubjectPublicKeyInfo as received: the third element, after version and subject (RFC 2986 §4.1).
 * The library would read it into its own terms.
 */
function publicKeyOf(der: Buffer): Buffer {
	const info = signedPart(der);
	const version = elementAt(info, elementAt(info, 0)!.contents);
	if (!version || !info.subarray(version.start, version.end).equals(VERSION_1)) throw malformed();
	const subject = elementAt(info, version.end);
	const key = subject && elementAt(info, subject.end);
	if (key?.tag !== Tag.sequence) throw malformed();
	return info.subarray(key.start, key.end);
}

function signatureAlgorithm(csr: Pkcs10CertificateRequest): { name: string; hash?: { name: string } } {
	try {
		return csr.signatureAlgorithm as { name: string; hash?: { name: string } };
	} catch (cause) {
		throw new BirthmarkError('csr-signature-invalid', 'the signature algorithm of the request is not accepted', { cause });
	}
}

function isSignedBy(key: Parameters<typeof verify>[2], digest: string | null, signed: Buffer, signature: Buffer): boolean {
	try {
		return verify(digest, signed, key, signature);
	} catch {
		return false;
	}
}

function malformed(cause?: unknown): BirthmarkError {
	return new BirthmarkError('csr-malformed', 'the certificate signing request is not exactly one PEM or DER PKCS#10 structure', { cause });
}

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
import { contextTag, Tag } from './der.ts';
import { DerError, DerReader } from './der-reader.ts';
import { readCommonName } from './distinguished-name.ts';
import { decodePem } from './pem.ts';

export interface VerifiedCsr {
	/** SubjectPublicKeyInfo, DER */
	readonly publicKey: Buffer;
	/** SHA-256 over {@link publicKey}, 32 bytes: what tells one key from another in the store */
	readonly publicKeyHash: Buffer;
	/** the CN of its subject, undefined when the subject has none */
	readonly commonName: string | undefined;
	/** all of it, DER */
	readonly request: Buffer;
}

/** INTEGER 0 */
const VERSION_1 = 0;
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
	const { request, signed, publicKey, commonName, algorithm, signature } = decode(Buffer.from(bytes));
	const key = acceptPublicKey(publicKey);
	if (!isSignedBy(key, signatureDigest(algorithm, key), signed, signature)) {
		throw new BirthmarkError('csr-signature-invalid', 'the certificate signing request is not signed by the key it carries');
	}
	return { publicKey, publicKeyHash: publicKeyHash(publicKey), commonName, request };
}

/** SHA-256 over a SubjectPublicKeyInfo. */
export function publicKeyHash(spki: Uint8Array): Buffer {
	return createHash('sha256').update(spki).digest();
}

interface Decoded {
	readonly request: Buffer;
	/** CertificationRequestInfo, as received */
	readonly signed: Buffer;
	/** SubjectPublicKeyInfo, as received */
	readonly publicKey: Buffer;
	readonly commonName: string | undefined;
	/** AlgorithmIdentifier, as received: a SEQUENCE that begins with an OID */
	readonly algorithm: Buffer;
	readonly signature: Buffer;
}

/** CertificationRequest, RFC 2986 §4.2. */
function decode(bytes: Buffer): Decoded {
	try {
		const request = toDer(bytes);
		const outer = DerReader.sequence(request);
		const signed = outer.raw(Tag.sequence);
		const algorithm = outer.raw(Tag.sequence);
		DerReader.sequence(algorithm).oid();
		const signature = outer.only((reader) => reader.bits());
		return { request, signed, ...decodeInfo(DerReader.sequence(signed)), algorithm, signature };
	} catch (cause) {
		if (!(cause instanceof DerError)) throw cause;
		throw new BirthmarkError('csr-malformed', 'the certificate signing request is not exactly one PEM or DER PKCS#10 structure', { cause });
	}
}

/** CertificationRequestInfo, RFC 2986 §4.1. The attributes have to be some; what they ask for is not even looked at. */
function decodeInfo(info: DerReader): Pick<Decoded, 'publicKey' | 'commonName'> {
	if (info.number() !== VERSION_1) throw new DerError('a version other than 1');
	const commonName = readCommonName(info.sequence());
	const publicKey = info.raw(Tag.sequence);
	const attributes = info.only((reader) => reader.constructed(contextTag(0)));
	while (!attributes.isAtEnd) {
		const attribute = attributes.sequence();
		attribute.oid();
		attribute.only((reader) => reader.next(Tag.set));
	}
	return { publicKey, commonName };
}

function toDer(bytes: Buffer): Buffer {
	const der = isPem(bytes) ? fromPem(bytes.toString('latin1')) : bytes;
	if (!der) throw new DerError('not exactly one PEM block');
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

function isSignedBy(key: Parameters<typeof verify>[2], digest: string | null, signed: Buffer, signature: Buffer): boolean {
	try {
		return verify(digest, signed, key, signature);
	} catch {
		return false;
	}
}

/**
 * OCSP requests (RFC 6960 §4.1) from anybody. A signature on one is allowed by the standard and says
 * nothing to a responder that answers everybody: its place is checked, it is not verified.
 */

import { createHash } from 'node:crypto';
import { contextTag, encode, encodeInteger, encodeOid, Tag } from './der.ts';
import { DerError, DerReader } from './der-reader.ts';
import { publicKeyBits } from './public-key.ts';

/** Twenty certificates, each with SHA-256 and a long serial number, are under 4 KiB. */
export const MAX_OCSP_REQUEST_BYTES = 8 * 1024;
/** RFC 6960 sets no limit; each one costs a look into the store. */
export const MAX_OCSP_CERTIFICATES = 20;
/** RFC 9654 §2.1 */
const NONCE_BYTES = { minimum: 1, maximum: 128 };
/** RFC 5280 §4.1.2.2 */
const MAX_SERIAL_BYTES = 20;

const HASHES: Readonly<Record<string, CertificateIdHash>> = { '1.3.14.3.2.26': 'sha1', '2.16.840.1.101.3.4.2.1': 'sha256' };
export const NONCE_OID = '1.3.6.1.5.5.7.48.1.2';

const TRUE = Buffer.of(0xff);

export type CertificateIdHash = 'sha1' | 'sha256';

/** CertID, RFC 6960 §4.1.1 */
export interface CertificateId {
	/** as received, for the answer */
	readonly der: Buffer;
	/** undefined when it is one that this responder does not compute: it then knows no such issuer */
	readonly hash: CertificateIdHash | undefined;
	readonly issuerNameHash: Buffer;
	readonly issuerKeyHash: Buffer;
	/** hexadecimal, lower case */
	readonly serial: string;
}

export interface OcspRequest {
	/** one at least */
	readonly certificates: readonly CertificateId[];
	/** contents of the extension, to be echoed */
	readonly nonce?: Buffer;
}

/** Who issued the certificate asked for. */
export interface CertificateIssuer {
	/** subject of the CA, DER */
	readonly name: Buffer;
	/** SubjectPublicKeyInfo of the CA, DER */
	readonly publicKey: Buffer;
}

/** @returns undefined when the bytes are not exactly one request within the limits, to be answered with `malformedRequest` */
export function parseOcspRequest(bytes: Uint8Array): OcspRequest | undefined {
	if (bytes.length > MAX_OCSP_REQUEST_BYTES) return undefined;
	try {
		const outer = DerReader.sequence(bytes);
		const request = parseTbsRequest(outer.sequence());
		if (!outer.isAtEnd) outer.only((reader) => reader.raw(contextTag(0)));
		return request;
	} catch (error) {
		if (error instanceof DerError) return undefined;
		throw error;
	}
}

/** Whether the certificate asked for is one of this issuer's. */
export function isIssuedBy({ hash, issuerNameHash, issuerKeyHash }: CertificateId, { name, publicKey }: CertificateIssuer): boolean {
	if (hash === undefined) return false;
	return digest(hash, name).equals(issuerNameHash) && digest(hash, publicKeyBits(publicKey)).equals(issuerKeyHash);
}

/**
 * The identifier that clients compute unless told otherwise (RFC 6960 §4.1.1, SHA-1): for answers that nobody asked for.
 *
 * @param serial hexadecimal
 */
export function certificateId(serial: string, { name, publicKey }: CertificateIssuer): CertificateId {
	const issuerNameHash = digest('sha1', name);
	const issuerKeyHash = digest('sha1', publicKeyBits(publicKey));
	const algorithm = encode(Tag.sequence, encodeOid('1.3.14.3.2.26'), encode(Tag.null));
	const der = encode(
		Tag.sequence,
		algorithm,
		encode(Tag.octetString, issuerNameHash),
		encode(Tag.octetString, issuerKeyHash),
		encodeInteger(Buffer.from(serial, 'hex')),
	);
	return { der, hash: 'sha1', issuerNameHash, issuerKeyHash, serial };
}

function parseTbsRequest(tbs: DerReader): OcspRequest {
	// Version 1 is the default and the only one, so a version that is written down is another or not DER.
	if (tbs.has(contextTag(1))) tbs.raw(); // requestorName
	const list = tbs.sequence();
	const certificates: CertificateId[] = [];
	while (!list.isAtEnd) {
		if (certificates.length === MAX_OCSP_CERTIFICATES) throw new DerError('too many certificates');
		certificates.push(parseRequest(list.sequence()));
	}
	if (certificates.length === 0) throw new DerError('no certificate');
	const extensions = tbs.isAtEnd ? undefined : tbs.constructed(contextTag(2));
	tbs.finish();
	const nonce = extensions && parseExtensions(extensions, true);
	return { certificates, ...(nonce && { nonce }) };
}

function parseRequest(request: DerReader): CertificateId {
	const der = request.raw(Tag.sequence);
	if (!request.isAtEnd) parseExtensions(request.only((reader) => reader.constructed(contextTag(0))), false);
	const id = DerReader.sequence(der);
	const algorithm = id.sequence();
	const hash = HASHES[algorithm.oid()];
	if (!algorithm.isAtEnd) algorithm.only((reader) => reader.raw());
	const issuerNameHash = id.next(Tag.octetString);
	const issuerKeyHash = id.next(Tag.octetString);
	const serial = id.only((reader) => reader.unsigned());
	if (serial.length > MAX_SERIAL_BYTES) throw new DerError('a serial number is too long');
	return { der, hash, issuerNameHash, issuerKeyHash, serial: serial.toString('hex') };
}

/** @returns the nonce, when one may be there and is */
function parseExtensions(wrapper: DerReader, mayHaveNonce: boolean): Buffer | undefined {
	const list = wrapper.only((reader) => reader.sequence());
	const seen = new Set<string>();
	let nonce: Buffer | undefined;
	while (!list.isAtEnd) {
		const extension = list.sequence();
		const oid = extension.oid();
		if (seen.has(oid)) throw new DerError('an extension is there twice');
		seen.add(oid);
		const critical = extension.has(Tag.boolean);
		if (critical && !extension.next(Tag.boolean).equals(TRUE)) throw new DerError('a default that is written down');
		const value = extension.only((reader) => reader.next(Tag.octetString));
		if (oid === NONCE_OID && mayHaveNonce) nonce = parseNonce(value);
		else if (critical) throw new DerError(`the critical extension ${oid} is not known`);
	}
	if (seen.size === 0) throw new DerError('an empty list of extensions');
	return nonce;
}

function parseNonce(value: Buffer): Buffer {
	const nonce = new DerReader(value).only((reader) => reader.next(Tag.octetString));
	if (nonce.length < NONCE_BYTES.minimum || nonce.length > NONCE_BYTES.maximum) throw new DerError('a nonce of a length that RFC 9654 does not allow');
	return nonce;
}

function digest(hash: CertificateIdHash, bytes: Buffer): Buffer {
	return createHash(hash).update(bytes).digest();
}

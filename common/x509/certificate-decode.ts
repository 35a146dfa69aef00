/**
 * Reading the certificates of this project's own CA (RFC 5280 §4.1), strictly: what is not written
 * the way `certificate.ts` writes it is refused. The lint reads with it what is about to be signed.
 *
 * It says what a certificate says, not whether to trust it: chains are verified by OpenSSL.
 */

import { CA_SIGNATURE_ALGORITHM } from './algorithms.ts';
import { contextTag, Tag } from './der.ts';
import { DerError, DerReader } from './der-reader.ts';

export interface DecodedExtension {
	readonly critical: boolean;
	/** contents of extnValue, DER */
	readonly value: Buffer;
}

export interface DecodedCertificate {
	/** hexadecimal, lower case, of the octets as they stand */
	readonly serial: string;
	/** Name, DER */
	readonly issuer: Buffer;
	/** Name, DER */
	readonly subject: Buffer;
	readonly notBefore: Date;
	readonly notAfter: Date;
	/** SubjectPublicKeyInfo, DER */
	readonly publicKey: Buffer;
	/** by dotted OID */
	readonly extensions: ReadonlyMap<string, DecodedExtension>;
}

const VERSION_3 = 2;
const TRUE = Buffer.of(0xff);

/** @throws DerError when it is not a certificate in the form of this project */
export function decodeCertificate(der: Uint8Array): DecodedCertificate {
	const outer = DerReader.sequence(der);
	const decoded = decodeTbs(outer.raw(Tag.sequence));
	expectAlgorithm(outer);
	outer.only((reader) => reader.bits());
	return decoded;
}

/**
 * @param der TBSCertificate
 * @throws DerError
 */
export function decodeTbs(der: Uint8Array): DecodedCertificate {
	const tbs = DerReader.sequence(der);
	if (tbs.constructed(contextTag(0)).only((reader) => reader.number()) !== VERSION_3) throw new DerError('a version other than 3');
	const serial = tbs.unsigned().toString('hex');
	expectAlgorithm(tbs);
	const issuer = tbs.raw(Tag.sequence);
	const validity = tbs.sequence();
	const notBefore = validity.time();
	const notAfter = validity.only((reader) => reader.time());
	const subject = tbs.raw(Tag.sequence);
	const publicKey = tbs.raw(Tag.sequence);
	const extensions = decodeExtensions(tbs.constructed(contextTag(3)).only((reader) => reader.sequence()));
	tbs.finish();
	return { serial, issuer, subject, notBefore, notAfter, publicKey, extensions };
}

function decodeExtensions(list: DerReader): Map<string, DecodedExtension> {
	const extensions = new Map<string, DecodedExtension>();
	while (!list.isAtEnd) {
		const extension = list.sequence();
		const oid = extension.oid();
		const critical = extension.has(Tag.boolean);
		if (critical && !extension.next(Tag.boolean).equals(TRUE)) throw new DerError('a default that is written down');
		if (extensions.has(oid)) throw new DerError(`the extension ${oid} is there twice`);
		extensions.set(oid, { critical, value: extension.only((reader) => reader.next(Tag.octetString)) });
	}
	return extensions;
}

function expectAlgorithm(reader: DerReader): void {
	if (!reader.raw().equals(CA_SIGNATURE_ALGORITHM)) throw new DerError('another signature algorithm');
}

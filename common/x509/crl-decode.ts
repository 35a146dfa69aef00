/**
 * What a reader of revocation lists wants to know of them (RFC 5280 §5.1): how long they hold, and whom they
 * name. Not whether they are signed: OpenSSL looks at that in each handshake.
 */

import { DerReader } from './der-reader.ts';
import { Tag } from './der.ts';
import { decodePem } from './pem.ts';
import { invalidCertificate } from './svid.ts';

export interface DecodedList {
	readonly thisUpdate: Date;
	readonly nextUpdate?: Date;
	/** the entries one after the other, DER; empty when nobody is revoked */
	readonly entries: Buffer;
}

/**
 * @param pem one list or several
 * @throws BirthmarkError `certificate-invalid` when it is no such list
 */
export function decodeRevocationLists(pem: string): DecodedList[] {
	try {
		return (decodePem('X509 CRL', pem) ?? [Buffer.alloc(0)]).map(decodeList);
	} catch (cause) {
		throw invalidCertificate('its revocation list cannot be parsed', cause);
	}
}

/** Serial numbers of {@link DecodedList.entries}, hexadecimal in lower case. @throws BirthmarkError `certificate-invalid` */
export function serialsOf(entries: Buffer): string[] {
	const serials: string[] = [];
	try {
		for (const reader = new DerReader(entries); !reader.isAtEnd; ) serials.push(reader.sequence().unsigned().toString('hex'));
	} catch (cause) {
		throw invalidCertificate('its revocation list cannot be parsed', cause);
	}
	return serials;
}

function decodeList(der: Buffer): DecodedList {
	const list = DerReader.sequence(der).sequence();
	if (list.has(Tag.integer)) list.number(); // version
	list.sequence(); // signature algorithm
	list.sequence(); // issuer
	const thisUpdate = list.time();
	const nextUpdate = list.has(Tag.utcTime) || list.has(Tag.generalizedTime) ? list.time() : undefined;
	const entries = list.has(Tag.sequence) ? list.next(Tag.sequence) : Buffer.alloc(0);
	return { thisUpdate, ...(nextUpdate && { nextUpdate }), entries };
}

/**
 * Whom the CA has revoked, by the lists on the volume (RFC 5280 §5.1). OpenSSL checks the lists at each
 * handshake, signatures included; here they only tell which connections have to end that are there already.
 */

import { invalidCertificate } from '#common/x509/svid.ts';
import { DerReader } from '#common/x509/der-reader.ts';
import { Tag } from '#common/x509/der.ts';
import { decodePem } from '#common/x509/pem.ts';

/**
 * @param crl PEM, one list or several
 * @returns serials, hexadecimal in lower case
 * @throws BirthmarkError `certificate-invalid` when it is no such list
 */
export function revokedSerials(crl: string): ReadonlySet<string> {
	const serials = new Set<string>();
	try {
		for (const der of decodePem('X509 CRL', crl) ?? [Buffer.alloc(0)]) for (const serial of readEntries(der)) serials.add(serial);
	} catch (cause) {
		throw invalidCertificate('its revocation list cannot be parsed', cause);
	}
	return serials;
}

function* readEntries(der: Buffer): Generator<string> {
	const list = DerReader.sequence(der).sequence();
	if (list.has(Tag.integer)) list.number(); // version
	list.sequence(); // signature algorithm
	list.sequence(); // issuer
	list.time(); // thisUpdate
	if (list.has(Tag.utcTime) || list.has(Tag.generalizedTime)) list.time(); // nextUpdate
	if (!list.has(Tag.sequence)) return; // nobody is revoked
	for (const entries = list.sequence(); !entries.isAtEnd; ) yield entries.sequence().unsigned().toString('hex');
}

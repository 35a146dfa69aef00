/**
 * Whom the CA has revoked, by the lists on the volume. OpenSSL checks the lists at each handshake,
 * signatures included; here they only tell which connections have to end that are there already.
 */

import { decodeRevocationLists, serialsOf } from '#common/x509/crl-decode.ts';

/**
 * @param crl PEM, one list or several
 * @returns serials, hexadecimal in lower case
 * @throws BirthmarkError `certificate-invalid` when it is no such list
 */
export function revokedSerials(crl: string): ReadonlySet<string> {
	return new Set(decodeRevocationLists(crl).flatMap(({ entries }) => serialsOf(entries)));
}

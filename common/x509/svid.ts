/** The names in the leaf of an X509-SVID (SPIFFE X509-SVID §2), as Node shows them. */

import type { X509Certificate } from 'node:crypto';
import { BirthmarkError } from '../protocol/errors.ts';

export interface SvidNames {
	readonly spiffeId: string;
	/** none, then it is for clients only */
	readonly dnsNames: readonly string[];
}

/** @throws BirthmarkError `certificate-invalid` when there is not exactly one URI, or it is no SPIFFE ID */
export function readSvidNames(leaf: X509Certificate): SvidNames {
	const alternativeNames = leaf.subjectAltName ?? '';
	// Names with characters that could be mistaken for separators are shown quoted; we never issue such.
	if (alternativeNames.includes('"')) throw invalidCertificate('it has a name with illegal characters');
	const names = alternativeNames.split(', ');
	const of = (kind: string): string[] => names.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length));
	const [spiffeId = '', ...more] = of('URI:');
	if (more.length > 0 || !spiffeId.startsWith('spiffe://')) throw invalidCertificate('it does not have exactly one SPIFFE ID');
	return { spiffeId, dnsNames: of('DNS:') };
}

export function invalidCertificate(why: string, cause?: unknown): BirthmarkError {
	return new BirthmarkError('certificate-invalid', `the certificate is not usable: ${why}`, { cause });
}

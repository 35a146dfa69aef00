/** From a request and what was signed for it to what is stored, whoever signed. */

import type { CertificateRecord } from '../store/records.ts';
import type { IssueRequest } from './issue.ts';

/** What only the signed certificate can tell. */
export type Signed = Pick<CertificateRecord, 'serial' | 'der' | 'intermediates' | 'issuerGeneration' | 'crlPartition' | 'issuedAt' | 'notBefore' | 'notAfter'>;

export function certificateRecord({ identity, key, origin, parent }: IssueRequest, signed: Signed): CertificateRecord {
	const { commonName, organizationalUnit, organization, dnsNames, role, spiffeId } = identity;
	return {
		...signed,
		publicKeyHash: key.publicKeyHash,
		role,
		commonName,
		organizationalUnit,
		organization,
		dnsNames,
		spiffeId,
		...origin,
		chain: parent?.chain ?? signed.serial,
		...(parent && { parentSerial: parent.serial }),
		renewals: parent ? parent.renewals + 1 : 0,
	};
}

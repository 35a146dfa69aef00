/** Certificates as clients get them: leaf first, then what leads from it to a root (RFC 8446 §4.4.2), never the root itself. */

import { PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import { encodePem } from '#common/x509/pem.ts';
import type { TrustState } from '../issuance/authorities.ts';
import type { CertificateRecord } from '../store/records.ts';
import type { ApiAnswer } from './route.ts';

type Issued = Pick<CertificateRecord, 'der' | 'issuerGeneration' | 'intermediates'>;

export function chainPem({ der, issuerGeneration, intermediates }: Issued, { all, active }: TrustState): string {
	// A repeated answer may be about a certificate of an earlier generation; of one that is out of use nothing leads to a root any more.
	const authority = all.find(({ generation }) => generation === issuerGeneration) ?? active;
	return encodePem('CERTIFICATE', der) + (intermediates ?? authority.chainPem);
}

export function chainAnswer(certificate: Issued, trust: TrustState): ApiAnswer {
	return { status: 200, body: chainPem(certificate, trust), contentType: PEM_CHAIN_CONTENT_TYPE, isPrivate: true };
}

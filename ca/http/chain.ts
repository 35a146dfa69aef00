/** Certificates as clients get them: leaf first, then what leads from it to a root (RFC 8446 §4.4.2), never the root itself. */

import { PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import { encodePem } from '#common/x509/pem.ts';
import type { TrustState } from '../issuance/authorities.ts';
import type { CertificateRecord } from '../store/records.ts';
import type { ApiAnswer } from './route.ts';

export function chainPem(certificate: Pick<CertificateRecord, 'der'>, trust: TrustState): string {
	return encodePem('CERTIFICATE', certificate.der) + trust.active.chainPem;
}

export function chainAnswer(certificate: Pick<CertificateRecord, 'der'>, trust: TrustState): ApiAnswer {
	return { status: 200, body: chainPem(certificate, trust), contentType: PEM_CHAIN_CONTENT_TYPE, isPrivate: true };
}

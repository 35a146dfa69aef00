/** Certificates as clients get them: leaf first, then the intermediate (RFC 8446 §4.4.2), never the root. */

import { PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import { encodePem } from '#common/x509/pem.ts';
import type { CertificateRecord } from '../store/records.ts';
import type { ApiAnswer } from './route.ts';

/** @param intermediate PEM */
export function chainPem(certificate: Pick<CertificateRecord, 'der'>, intermediate: string): string {
	return encodePem('CERTIFICATE', certificate.der) + intermediate;
}

export function chainAnswer(certificate: Pick<CertificateRecord, 'der'>, intermediate: string): ApiAnswer {
	return { status: 200, body: chainPem(certificate, intermediate), contentType: PEM_CHAIN_CONTENT_TYPE, isPrivate: true };
}

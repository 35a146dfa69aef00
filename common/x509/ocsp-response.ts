/** OCSP answers (RFC 6960 §4.2), by a responder that the issuer delegated to (§4.2.2.2). */

import { createHash } from 'node:crypto';
import type { RevocationReason } from '../protocol/messages.ts';
import { REASON_CODES } from './crl.ts';
import { contextTag, encode, encodeGeneralizedTime, encodeOid, Tag } from './der.ts';
import { extension } from './extensions.ts';
import type { SigningKey } from './keys.ts';
import { NONCE_OID, type CertificateId } from './ocsp-request.ts';
import { publicKeyBits } from './public-key.ts';
import { encodeSigned } from './signed.ts';

export type OcspStatus =
	| { readonly status: 'good' }
	| { readonly status: 'revoked'; readonly revokedAt: Date; readonly reason: RevocationReason }
	/** not one of this issuer's, or never issued */
	| { readonly status: 'unknown' };

export interface OcspAnswer {
	/** one for each certificate asked for, in that order */
	readonly statuses: ReadonlyArray<OcspStatus & { readonly certificate: Pick<CertificateId, 'der'> }>;
	readonly producedAt: Date;
	/** when the statuses were known to be right */
	readonly thisUpdate: Date;
	/** until when this answer may be used */
	readonly nextUpdate: Date;
	/** as it was in the request */
	readonly nonce?: Buffer;
}

export interface OcspResponder {
	readonly key: SigningKey;
	/** its certificate with the purpose OCSPSigning, issued by the CA whose certificates it answers for; DER */
	readonly certificate: Buffer;
}

/** OCSPResponseStatus of answers without a signature, RFC 6960 §4.2.1 */
const ERRORS = { malformedRequest: 1, internalError: 2, tryLater: 3, sigRequired: 5, unauthorized: 6 } as const;
const SUCCESSFUL = encode(Tag.enumerated, Buffer.of(0));
const BASIC = encodeOid('1.3.6.1.5.5.7.48.1.1');

/** @returns OCSPResponse, DER */
export function signOcspResponse(answer: OcspAnswer, { key, certificate }: OcspResponder): Buffer {
	const certificates = encode(contextTag(0), encode(Tag.sequence, certificate));
	const basic = encodeSigned(responseData(answer, key), key, certificates);
	const bytes = encode(Tag.sequence, BASIC, encode(Tag.octetString, basic));
	return encode(Tag.sequence, SUCCESSFUL, encode(contextTag(0), bytes));
}

/** @returns OCSPResponse, DER */
export function ocspError(error: keyof typeof ERRORS): Buffer {
	return encode(Tag.sequence, encode(Tag.enumerated, Buffer.of(ERRORS[error])));
}

function responseData(answer: OcspAnswer, key: SigningKey): Buffer {
	// KeyHash is SHA-1 by definition (RFC 6960 §4.2.1): a name, not a proof.
	const keyHash = createHash('sha1').update(publicKeyBits(key.publicKey)).digest();
	const { nonce } = answer;
	return encode(
		Tag.sequence,
		encode(contextTag(2), encode(Tag.octetString, keyHash)),
		encodeGeneralizedTime(answer.producedAt),
		encode(Tag.sequence, ...answer.statuses.map((status) => singleResponse(status, answer))),
		...(nonce === undefined ? [] : [encode(contextTag(1), encode(Tag.sequence, extension(NONCE_OID, undefined, encode(Tag.octetString, nonce))))]),
	);
}

function singleResponse(status: OcspAnswer['statuses'][number], { thisUpdate, nextUpdate }: OcspAnswer): Buffer {
	return encode(
		Tag.sequence,
		status.certificate.der,
		certificateStatus(status),
		encodeGeneralizedTime(thisUpdate),
		encode(contextTag(0), encodeGeneralizedTime(nextUpdate)),
	);
}

function certificateStatus(status: OcspStatus): Buffer {
	if (status.status === 'good') return encode(contextTag(0, 'primitive'));
	if (status.status === 'unknown') return encode(contextTag(2, 'primitive'));
	const { revokedAt, reason } = status;
	const code = reason === 'unspecified' ? [] : [encode(contextTag(0), encode(Tag.enumerated, Buffer.of(REASON_CODES[reason])))];
	return encode(contextTag(1), encodeGeneralizedTime(revokedAt), ...code);
}

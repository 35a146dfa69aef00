/** Certificate revocation lists, version 2 (RFC 5280 §5). */

import type { RevocationReason } from '../protocol/messages.ts';
import { CA_SIGNATURE_ALGORITHM } from './algorithms.ts';
import type { Issuer } from './certificate.ts';
import { contextTag, encode, encodeInteger, encodeTime, Tag } from './der.ts';
import { authorityKeyIdentifier, crlNumber, issuingDistributionPoint, reasonCode } from './extensions.ts';
import { encodeSigned } from './signed.ts';

export interface RevokedCertificate {
	/** hexadecimal */
	readonly serial: string;
	readonly revokedAt: Date;
	readonly reason: RevocationReason;
}

export interface RevocationList {
	/** CRLNumber, strictly monotone */
	readonly number: number;
	readonly thisUpdate: Date;
	readonly nextUpdate: Date;
	readonly entries: readonly RevokedCertificate[];
	/** of a partitioned list: the URL in the certificates that it covers, byte for byte; a list without one covers every certificate of its issuer */
	readonly distributionPoint?: string;
}

/** CRLReason, RFC 5280 §5.3.1 */
export const REASON_CODES: Readonly<Record<RevocationReason, number>> = {
	unspecified: 0,
	keyCompromise: 1,
	cACompromise: 2,
	affiliationChanged: 3,
	superseded: 4,
	cessationOfOperation: 5,
	privilegeWithdrawn: 9,
};

const VERSION_2 = encodeInteger(Buffer.of(1));

/** @returns the list, DER, signed with ECDSA and SHA-256 */
export function signRevocationList(list: RevocationList, issuer: Pick<Issuer, 'key' | 'name' | 'keyId'>): Buffer {
	const { entries, distributionPoint } = list;
	const extensions = [
		authorityKeyIdentifier(issuer.keyId),
		crlNumber(list.number),
		...(distributionPoint === undefined ? [] : [issuingDistributionPoint(distributionPoint)]),
	];
	const tbs = encode(
		Tag.sequence,
		VERSION_2,
		CA_SIGNATURE_ALGORITHM,
		issuer.name,
		encodeTime(list.thisUpdate),
		encodeTime(list.nextUpdate),
		// RFC 5280 §5.1.2.6: absent, not empty, when nothing is revoked.
		...(entries.length === 0 ? [] : [encode(Tag.sequence, Buffer.concat(entries.map(encodeEntry)))]),
		encode(contextTag(0), encode(Tag.sequence, ...extensions)),
	);
	return encodeSigned(tbs, issuer.key);
}

function encodeEntry({ serial, revokedAt, reason }: RevokedCertificate): Buffer {
	// RFC 5280 §5.3.1: the reason "unspecified" is said by leaving the extension out.
	const extensions = reason === 'unspecified' ? [] : [encode(Tag.sequence, reasonCode(REASON_CODES[reason]))];
	return encode(Tag.sequence, encodeInteger(Buffer.from(serial, 'hex')), encodeTime(revokedAt), ...extensions);
}

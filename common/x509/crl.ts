/**
 * Certificate revocation lists, version 2 (RFC 5280 §5). Written directly as DER: a list of tens of
 * thousands of entries is made anew at every revocation, and the library compares each entry with
 * all that went before it.
 */

import { sign } from 'node:crypto';
import type { RevocationReason } from '../protocol/messages.ts';
import type { Issuer } from './certificate.ts';
import { encode, encodeInteger, encodeTime, Tag } from './der.ts';

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
}

/** CRLReason, RFC 5280 §5.3.1 */
const REASON_CODES: Readonly<Record<RevocationReason, number>> = {
	unspecified: 0,
	keyCompromise: 1,
	affiliationChanged: 3,
	superseded: 4,
	cessationOfOperation: 5,
	privilegeWithdrawn: 9,
};

const VERSION_2 = encodeInteger(Buffer.of(1));
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex'); // RFC 5758 §3.2, no parameters
const OID_AUTHORITY_KEY_IDENTIFIER = Buffer.from('0603551d23', 'hex');
const OID_CRL_NUMBER = Buffer.from('0603551d14', 'hex');
const OID_REASON_CODE = Buffer.from('0603551d15', 'hex');
const CONTEXT_0 = 0x80;
const CONTEXT_0_CONSTRUCTED = 0xa0;

/** @returns the list, DER, signed with ECDSA and SHA-256 */
export function signRevocationList(list: RevocationList, issuer: Issuer): Buffer {
	const tbs = encode(
		Tag.sequence,
		VERSION_2,
		ECDSA_WITH_SHA256,
		issuer.name,
		encodeTime(list.thisUpdate),
		encodeTime(list.nextUpdate),
		// RFC 5280 §5.1.2.6: absent, not empty, when nothing is revoked.
		...(list.entries.length === 0 ? [] : [encode(Tag.sequence, ...list.entries.map(encodeEntry))]),
		encode(CONTEXT_0_CONSTRUCTED, encode(Tag.sequence, authorityKeyIdentifier(issuer.keyId), crlNumber(list.number))),
	);
	const signature = sign('sha256', tbs, issuer.key.privateKey);
	return encode(Tag.sequence, tbs, ECDSA_WITH_SHA256, encode(Tag.bitString, Buffer.of(0), signature));
}

function encodeEntry({ serial, revokedAt, reason }: RevokedCertificate): Buffer {
	// RFC 5280 §5.3.1: the reason "unspecified" is said by leaving the extension out.
	const extensions = reason === 'unspecified' ? [] : [encode(Tag.sequence, reasonCode(reason))];
	return encode(Tag.sequence, encodeInteger(Buffer.from(serial, 'hex')), encodeTime(revokedAt), ...extensions);
}

function reasonCode(reason: RevocationReason): Buffer {
	return extension(OID_REASON_CODE, encode(Tag.enumerated, Buffer.of(REASON_CODES[reason])));
}

function authorityKeyIdentifier(keyId: Buffer): Buffer {
	return extension(OID_AUTHORITY_KEY_IDENTIFIER, encode(Tag.sequence, encode(CONTEXT_0, keyId)));
}

function crlNumber(number: number): Buffer {
	const hex = number.toString(16);
	return extension(OID_CRL_NUMBER, encodeInteger(Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex')));
}

function extension(oid: Buffer, value: Buffer): Buffer {
	return encode(Tag.sequence, oid, encode(Tag.octetString, value));
}

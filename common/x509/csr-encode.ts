/**
 * Certification requests, PKCS#10 (RFC 2986), for the parties that ask: agent, node, operator.
 *
 * Only node:crypto, because the agent carries no third-party code. A request says no more than
 * "this is my key and I hold it": the CA decides names, usage and validity, so there are no
 * attributes and the subject is empty or a bare CN.
 */

import { sign, type KeyObject } from 'node:crypto';
import { encode, encodeInteger, Tag } from './der.ts';
import { encodePem } from './pem.ts';

export interface CsrInput {
	/** EC on P-256 */
	readonly privateKey: KeyObject;
	/** the public half of the same pair */
	readonly publicKey: KeyObject;
	/** CN of the subject, 1–64 characters (RFC 5280 ub-common-name); an empty subject when absent */
	readonly commonName?: string;
}

const SET = 0x31;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const CONTEXT_0 = 0xa0;

const OID_COMMON_NAME = Buffer.from('550403', 'hex'); // 2.5.4.3, X.520
const OID_ECDSA_SHA256 = Buffer.from('2a8648ce3d040302', 'hex'); // 1.2.840.10045.4.3.2, RFC 5758 §3.2

/**
 * A signed request for the key pair, RFC 2986 §4.
 *
 * @returns PEM with the label `CERTIFICATE REQUEST` (RFC 7468 §7), newline at the end
 * @throws TypeError for a key that is not EC P-256 or a CN that is empty or too long
 */
export function encodeCsr(input: CsrInput): string {
	return encodePem('CERTIFICATE REQUEST', encodeCsrDer(input));
}

/** The same as DER. */
export function encodeCsrDer({ privateKey, publicKey, commonName }: CsrInput): Buffer {
	const curve = privateKey.asymmetricKeyDetails?.namedCurve;
	if (curve !== 'prime256v1') throw new TypeError('a CSR is made for an EC P-256 key only');
	const info = encode(
		Tag.sequence,
		encodeInteger(Buffer.of(0)), // version v1
		subject(commonName),
		publicKey.export({ type: 'spki', format: 'der' }),
		encode(CONTEXT_0), // attributes: mandatory, here empty
	);
	const algorithm = encode(Tag.sequence, encode(OBJECT_IDENTIFIER, OID_ECDSA_SHA256));
	const noUnusedBits = Buffer.of(0);
	return encode(Tag.sequence, info, algorithm, encode(Tag.bitString, noUnusedBits, sign('sha256', info, privateKey)));
}

function subject(commonName: string | undefined): Buffer {
	if (commonName === undefined) return encode(Tag.sequence);
	if (commonName === '' || commonName.length > 64) throw new TypeError('a CN has 1 to 64 characters');
	const attribute = encode(Tag.sequence, encode(OBJECT_IDENTIFIER, OID_COMMON_NAME), encode(UTF8_STRING, Buffer.from(commonName)));
	return encode(Tag.sequence, encode(SET, attribute));
}

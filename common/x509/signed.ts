/** What certificates, revocation lists and OCSP answers have in common: `SIGNED{…}` (X.509 §6.2, RFC 5280 §4.1.1). */

import { CA_SIGNATURE_ALGORITHM, signForCa } from './algorithms.ts';
import { encode, Tag } from './der.ts';
import type { SigningKey } from './keys.ts';

const NO_UNUSED_BITS = Buffer.of(0);

/**
 * @param toBeSigned DER; where it names the algorithm, it says `CA_SIGNATURE_ALGORITHM`
 * @param more elements after the signature, where a format has them
 * @returns DER
 */
export function encodeSigned(toBeSigned: Buffer, { privateKey }: SigningKey, ...more: readonly Buffer[]): Buffer {
	const signature = encode(Tag.bitString, NO_UNUSED_BITS, signForCa(toBeSigned, privateKey));
	return encode(Tag.sequence, toBeSigned, CA_SIGNATURE_ALGORITHM, signature, ...more);
}

/** SubjectPublicKeyInfo (RFC 5280 §4.1.2.7): the names that a public key has in certificates. */

import { createHash } from 'node:crypto';
import { DerReader } from './der-reader.ts';

/** The key itself: contents of the bit string, without the octet that counts unused bits. */
export function publicKeyBits(spki: Uint8Array): Buffer {
	const info = DerReader.sequence(spki);
	info.sequence();
	return info.only((reader) => reader.bits());
}

/** The leftmost 160 bits of SHA-256 over the key's bit string (RFC 7093 §2, method 1): 20 bytes. */
export function keyIdentifier(spki: Uint8Array): Buffer {
	return createHash('sha256').update(publicKeyBits(spki)).digest().subarray(0, 20);
}

/**
 * The key derivation of PKCS#12 (RFC 7292 appendix B.2), which the integrity of a PKCS#12 file needs and
 * neither Node nor Bun offers; the hashing is theirs. Only for what this program itself writes: the password is
 * ASCII, and the result no longer than one hash.
 */

import { createHash } from 'node:crypto';

const HASH = 'sha256';
/** v of the specification: the block that SHA-256 works on. */
const BLOCK_BYTES = 64;

/** What the derived bytes are for, B.3. */
export const Purpose = { encryption: 1, initialization: 2, integrity: 3 } as const;

/**
 * @param password ASCII, not empty
 * @param salt not empty
 * @returns 32 bytes
 */
export function pkcs12Key(password: string, salt: Uint8Array, iterations: number, purpose: number): Buffer {
	const diversifier = Buffer.alloc(BLOCK_BYTES, purpose);
	// Of the loop over blocks of the result (steps 6 and 7) the first turn is all that one hash needs.
	let hash = digest(Buffer.concat([diversifier, repeated(salt), repeated(bmpString(password))]));
	for (let round = 1; round < iterations; round++) hash = digest(hash);
	return hash;
}

/** UTF-16, big-endian, with two zero bytes at the end (B.1). */
function bmpString(text: string): Buffer {
	return Buffer.from(`${text}\0`, 'utf16le').swap16();
}

/** Over and over, up to a multiple of the block (steps 2 and 3). */
function repeated(bytes: Uint8Array): Buffer {
	return Buffer.alloc(BLOCK_BYTES * Math.ceil(bytes.length / BLOCK_BYTES), bytes);
}

function digest(data: Buffer): Buffer {
	return createHash(HASH).update(data).digest();
}

/**
 * The little of DER (X.690 §10) that is needed beside the library: where an element begins and
 * ends, and how a certificate revocation list is put together.
 */

export const Tag = {
	integer: 0x02,
	bitString: 0x03,
	octetString: 0x04,
	enumerated: 0x0a,
	utcTime: 0x17,
	generalizedTime: 0x18,
	sequence: 0x30,
} as const;

/** Where an element is: offsets of its header, its contents and of what comes after it. */
export interface Element {
	readonly tag: number;
	readonly start: number;
	readonly contents: number;
	readonly end: number;
}

/**
 * The element at `offset`, header included.
 *
 * @returns undefined when it does not fit into the bytes or its length is not written the one way DER allows
 */
export function elementAt(bytes: Uint8Array, offset: number): Element | undefined {
	const tag = bytes[offset];
	const first = bytes[offset + 1];
	if (tag === undefined || first === undefined) return undefined;
	let length = first;
	let contents = offset + 2;
	if (first >= 0x80) {
		const count = first & 0x7f;
		if (count === 0 || count > 3) return undefined;
		length = 0;
		for (let index = 0; index < count; index++) length = length * 256 + (bytes[contents + index] ?? 0);
		contents += count;
		if (length < 0x80 || length < 256 ** (count - 1)) return undefined;
	}
	const end = contents + length;
	return end <= bytes.length ? { tag, start: offset, contents, end } : undefined;
}

/** One element with its header; the parts are its contents. */
export function encode(tag: number, ...parts: readonly Uint8Array[]): Buffer {
	const contents = Buffer.concat(parts);
	if (contents.length < 0x80) return Buffer.concat([Buffer.from([tag, contents.length]), contents]);
	const hex = contents.length.toString(16);
	const length = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
	return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, contents]);
}

/** A non-negative INTEGER from big-endian bytes, in its shortest form (X.690 §8.3). */
export function encodeInteger(bytes: Uint8Array): Buffer {
	let start = 0;
	while (start < bytes.length - 1 && bytes[start] === 0) start++;
	const shortest = bytes.subarray(start);
	return encode(Tag.integer, (shortest[0] ?? 0) & 0x80 || shortest.length === 0 ? Buffer.concat([Buffer.of(0), shortest]) : shortest);
}

/** UTCTime through 2049, GeneralizedTime after, whole seconds, `Z` (RFC 5280 §4.1.2.5). */
export function encodeTime(instant: Date): Buffer {
	const digits = instant.toISOString().replace(/\.\d+Z$/, 'Z').replace(/[-:T]/g, '');
	return instant.getUTCFullYear() < 2050 ? encode(Tag.utcTime, Buffer.from(digits.slice(2))) : encode(Tag.generalizedTime, Buffer.from(digits));
}

/**
 * DER (X.690 §10): where an element begins and ends, and how one is written. What is received is
 * read with `der-reader.ts`.
 */

export const Tag = {
	boolean: 0x01,
	integer: 0x02,
	bitString: 0x03,
	octetString: 0x04,
	null: 0x05,
	objectIdentifier: 0x06,
	enumerated: 0x0a,
	utf8String: 0x0c,
	utcTime: 0x17,
	generalizedTime: 0x18,
	bmpString: 0x1e,
	sequence: 0x30,
	set: 0x31,
} as const;

/** The tag `[number]`, up to 30: constructed around other elements (explicit tagging, sequences), or primitive. */
export function contextTag(number: number, form: 'constructed' | 'primitive' = 'constructed'): number {
	return (form === 'constructed' ? 0xa0 : 0x80) | number;
}

/** Tags above 30 take more octets than one (X.690 §8.1.2.4); nothing here has any. */
const LONG_TAG = 0x1f;

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
 * @returns undefined when it does not fit into the bytes, its tag is above 30, or its length is not written the one way DER allows
 */
export function elementAt(bytes: Uint8Array, offset: number): Element | undefined {
	const tag = bytes[offset];
	const first = bytes[offset + 1];
	if (tag === undefined || first === undefined || (tag & LONG_TAG) === LONG_TAG) return undefined;
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
	let length = 0;
	for (const part of parts) length += part.length;
	const header = length < 0x80 ? [tag, length] : [tag, ...longLength(length)];
	const bytes = Buffer.allocUnsafe(header.length + length);
	bytes.set(header);
	let offset = header.length;
	for (const part of parts) {
		bytes.set(part, offset);
		offset += part.length;
	}
	return bytes;
}

function longLength(length: number): number[] {
	const octets: number[] = [];
	for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
	return [0x80 | octets.length, ...octets];
}

/** OBJECT IDENTIFIER from its dotted form. */
export function encodeOid(dotted: string): Buffer {
	const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number);
	return encode(Tag.objectIdentifier, Buffer.from([first * 40 + second, ...arcs].flatMap(base128)));
}

function base128(arc: number): number[] {
	const octets = [arc % 128];
	for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 | (rest % 128));
	return octets;
}

/** A non-negative INTEGER from big-endian bytes, in its shortest form (X.690 §8.3). */
export function encodeInteger(bytes: Uint8Array): Buffer {
	let start = 0;
	while (start < bytes.length - 1 && bytes[start] === 0) start++;
	const shortest = bytes.subarray(start);
	return encode(Tag.integer, (shortest[0] ?? 0) & 0x80 || shortest.length === 0 ? Buffer.concat([Buffer.of(0), shortest]) : shortest);
}

/** A non-negative INTEGER that fits into a number exactly. */
export function encodeNumber(value: number): Buffer {
	const hex = value.toString(16);
	return encodeInteger(Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex'));
}

/** UTCTime through 2049, GeneralizedTime after, whole seconds, `Z` (RFC 5280 §4.1.2.5). */
export function encodeTime(instant: Date): Buffer {
	return instant.getUTCFullYear() < 2050 ? encode(Tag.utcTime, Buffer.from(timeDigits(instant).slice(2))) : encodeGeneralizedTime(instant);
}

/** GeneralizedTime, whole seconds, `Z`. */
export function encodeGeneralizedTime(instant: Date): Buffer {
	return encode(Tag.generalizedTime, Buffer.from(timeDigits(instant)));
}

function timeDigits(instant: Date): string {
	return instant.toISOString().replace(/\.\d+Z$/, 'Z').replace(/[-:T]/g, '');
}

/**
 * Reading DER (X.690 §10) from anybody, strictly: one element after the other, each with the tag that
 * the specification names, in the one encoding that DER allows, nothing left over.
 */

import { elementAt, encodeTime, Tag } from './der.ts';

/** The bytes are not what the specification says; the message tells which element. */
export class DerError extends Error {
	override readonly name = 'DerError';
}

/** The elements of one constructed value, in order. Every method throws {@link DerError} when the next element is another. */
export class DerReader {
	readonly #bytes: Buffer;
	#offset = 0;

	/** @param bytes the contents, without a header of their own */
	constructor(bytes: Uint8Array) {
		this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	}

	/** Reads bytes that are exactly one SEQUENCE. */
	static sequence(bytes: Uint8Array): DerReader {
		return new DerReader(bytes).only((reader) => reader.sequence());
	}

	get isAtEnd(): boolean {
		return this.#offset === this.#bytes.length;
	}

	/** True when the next element has this tag. */
	has(tag: number): boolean {
		return this.#bytes[this.#offset] === tag;
	}

	/** The next element's contents. */
	next(tag: number): Buffer {
		const { contents, end } = this.#advance(tag);
		return this.#bytes.subarray(contents, end);
	}

	/** The next element with its header, whatever it is when no tag is given. */
	raw(tag?: number): Buffer {
		const { start, end } = this.#advance(tag);
		return this.#bytes.subarray(start, end);
	}

	/** A reader over the next element's contents. */
	constructed(tag: number): DerReader {
		return new DerReader(this.next(tag));
	}

	sequence(): DerReader {
		return this.constructed(Tag.sequence);
	}

	/** What `read` makes of the only element there is. */
	only<T>(read: (reader: DerReader) => T): T {
		const value = read(this);
		this.finish();
		return value;
	}

	/** @throws DerError when something is left */
	finish(): void {
		if (!this.isAtEnd) throw new DerError(`there is more than expected at ${this.#offset}`);
	}

	/** A non-negative INTEGER in its shortest form, as big-endian bytes without the octet of the sign. */
	unsigned(): Buffer {
		const bytes = this.next(Tag.integer);
		const [first, second = 0] = bytes;
		const hasSpareOctet = first === 0 && bytes.length > 1;
		if (first === undefined || first >= 0x80 || (hasSpareOctet && second < 0x80)) throw new DerError('an INTEGER is negative or not in its shortest form');
		return hasSpareOctet ? bytes.subarray(1) : bytes;
	}

	/** A non-negative INTEGER of at most 32 bits. */
	number(): number {
		const bytes = this.unsigned();
		if (bytes.length > 4) throw new DerError('an INTEGER is larger than expected');
		return bytes.readUIntBE(0, bytes.length);
	}

	/** An OBJECT IDENTIFIER, dotted. */
	oid(): string {
		return decodeOid(this.next(Tag.objectIdentifier));
	}

	/** UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5: whole seconds, `Z`, UTCTime through 2049. */
	time(): Date {
		const isShort = this.has(Tag.utcTime);
		const der = this.raw(isShort ? Tag.utcTime : Tag.generalizedTime);
		const text = der.subarray(2).toString('latin1');
		const digits = isShort ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text;
		const instant = new Date(digits.replace(/^(\d{4})(..)(..)(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
		// There is one way to write an instant; the 30th of February would be written as another day.
		if (Number.isNaN(instant.getTime()) || !encodeTime(instant).equals(der)) throw new DerError('a time is not in the form of RFC 5280, or does not exist');
		return instant;
	}

	/** The bytes of a BIT STRING that uses all its bits. */
	bits(): Buffer {
		const bytes = this.next(Tag.bitString);
		if (bytes[0] !== 0) throw new DerError('a BIT STRING has unused bits or none');
		return bytes.subarray(1);
	}

	#advance(tag: number | undefined) {
		const element = elementAt(this.#bytes, this.#offset);
		if (!element || (tag !== undefined && element.tag !== tag)) throw new DerError(`there is no element ${tag?.toString(16) ?? ''} at ${this.#offset}`);
		this.#offset = element.end;
		return element;
	}
}

function decodeOid(bytes: Buffer): string {
	const arcs: number[] = [];
	let arc = 0;
	for (const [index, octet] of bytes.entries()) {
		const isFirst = index === 0 || bytes[index - 1]! < 0x80;
		if ((isFirst && octet === 0x80) || arc >= 2 ** 40) throw new DerError('an OBJECT IDENTIFIER is not in its shortest form or too large');
		arc = arc * 128 + (octet & 0x7f);
		if (octet < 0x80) {
			arcs.push(arc);
			arc = 0;
		}
	}
	const [first, ...rest] = arcs;
	if (first === undefined || bytes.at(-1)! >= 0x80) throw new DerError('an OBJECT IDENTIFIER is cut off');
	const top = Math.min(2, Math.floor(first / 40));
	return [top, first - top * 40, ...rest].join('.');
}

/** Fixed-width base 36 (0-9a-z) for the two fields of a token; big-endian, padded with zeros on the left. */

/** @returns exactly `width` characters; throws `RangeError` when the value does not fit */
export function encodeBase36(bytes: Uint8Array, width: number): string {
	const text = BigInt('0x' + (Buffer.from(bytes).toString('hex') || '0')).toString(36);
	if (text.length > width) throw new RangeError(`value needs ${text.length} base-36 digits, the field has ${width}`);
	return text.padStart(width, '0');
}

/**
 * @param byteLength the length of the result; a value that does not fit is refused, so that every
 * value has exactly one spelling
 * @returns undefined when the text is not base 36 in lower case or out of range
 */
export function decodeBase36(text: string, byteLength: number): Buffer | undefined {
	if (!/^[0-9a-z]+$/.test(text)) return undefined;
	let value = 0n;
	for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36));
	if (value >> BigInt(byteLength * 8) !== 0n) return undefined;
	return Buffer.from(value.toString(16).padStart(byteLength * 2, '0'), 'hex');
}

/** Serial numbers of certificates (RFC 5280 §4.1.2.2): positive, 16 octets, 126 random bits. */

const SERIAL_BYTES = 16;

/** 32 hexadecimal digits in lower case; the first octet is 0x40–0x7f, so that the length never varies and no sign bit is set. */
export function createSerial(random: (bytes: number) => Uint8Array): string {
	const bytes = Buffer.from(random(SERIAL_BYTES));
	bytes[0] = 0x40 | (bytes[0]! & 0x3f);
	return bytes.toString('hex');
}

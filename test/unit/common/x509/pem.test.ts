/** PEM and the little DER that we write ourselves. */

import test from 'ava';
import { randomBytes } from 'node:crypto';
import { elementAt, encode, encodeInteger, encodeTime, Tag } from '#common/x509/der.ts';
import { decodePem, encodePem } from '#common/x509/pem.ts';

test('what is encoded as PEM is decoded again, for every length around a line', (t) => {
	for (const length of [1, 2, 3, 47, 48, 49, 96, 1000]) {
		const bytes = randomBytes(length);
		const text = encodePem('TEST', bytes);
		t.true(text.split('\n').every((line) => line.length <= 64));
		t.deepEqual(decodePem('TEST', text), [bytes]);
		t.deepEqual(decodePem('TEST', text.replaceAll('\n', '\r\n') + text), [bytes, bytes]);
	}
});

const BROKEN: Readonly<Record<string, string>> = {
	'nothing': '',
	'another label': encodePem('OTHER', Buffer.of(1)),
	'text between blocks': `${encodePem('TEST', Buffer.of(1))}text\n${encodePem('TEST', Buffer.of(1))}`,
	'no end': '-----BEGIN TEST-----\nAQ==\n',
	'no contents': '-----BEGIN TEST-----\n-----END TEST-----\n',
	'padding in the middle': '-----BEGIN TEST-----\nAQ==AQ==\n-----END TEST-----\n',
	'base64 with stray bits': '-----BEGIN TEST-----\nAR==\n-----END TEST-----\n',
	'characters outside the alphabet': '-----BEGIN TEST-----\nA_-=\n-----END TEST-----\n',
	'headers': '-----BEGIN TEST-----\nProc-Type: 4,ENCRYPTED\n\nAQ==\n-----END TEST-----\n',
};
for (const [name, text] of Object.entries(BROKEN)) {
	test(`PEM with ${name} is refused`, (t) => {
		t.is(decodePem('TEST', text), undefined);
	});
}

test('lengths are written the one way DER allows, and read back', (t) => {
	for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
		const encoded = encode(Tag.octetString, Buffer.alloc(length));
		t.deepEqual(elementAt(encoded, 0), { tag: Tag.octetString, start: 0, contents: encoded.length - length, end: encoded.length });
	}
	for (const bad of ['', '30', '3080', '308100', '30817f', '3082007f', '308400000001', '3005', '3001', '1f0100', 'bf810100']) t.is(elementAt(Buffer.from(bad, 'hex'), 0), undefined, bad);
});

test('integers are positive and as short as they can be', (t) => {
	const hex = (bytes: string) => encodeInteger(Buffer.from(bytes, 'hex')).toString('hex');
	t.is(hex('00'), '020100');
	t.is(hex(''), '020100');
	t.is(hex('7f'), '02017f');
	t.is(hex('80'), '02020080');
	t.is(hex('000001'), '020101');
});

test('instants through 2049 are UTCTime, later ones GeneralizedTime, without fractions', (t) => {
	t.is(encodeTime(new Date('2049-12-31T23:59:59.999Z')).subarray(2).toString(), '491231235959Z');
	t.is(encodeTime(new Date('2050-01-01T00:00:00Z')).subarray(2).toString(), '20500101000000Z');
});

/** Base 36 against values computed elsewhere, and its one-spelling rule. */

import test from 'ava';
import { randomBytes } from 'node:crypto';
import { decodeBase36, encodeBase36 } from '#common/protocol/base36.ts';

/** The largest values of the two fields of a token; the digits are Python's. */
const LARGEST = [
	{ bytes: 32, digits: '6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof', tooLarge: '6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtog' },
	{ bytes: 16, digits: 'f5lxx1zz5pnorynqglhzmsp33', tooLarge: 'f5lxx1zz5pnorynqglhzmsp34' },
];

for (const { bytes, digits, tooLarge } of LARGEST) {
	test(`the largest value of ${bytes} bytes fills ${digits.length} digits, and one more is out of range`, (t) => {
		t.is(encodeBase36(Buffer.alloc(bytes, 0xff), digits.length), digits);
		t.deepEqual(decodeBase36(digits, bytes), Buffer.alloc(bytes, 0xff));
		t.is(decodeBase36(tooLarge, bytes), undefined);
		t.is(decodeBase36('z'.repeat(digits.length), bytes), undefined);
	});
}

test('zeros on the left are kept on both sides', (t) => {
	t.is(encodeBase36(Buffer.of(0, 0, 0, 35), 6), '00000z');
	t.deepEqual(decodeBase36('00000z', 4), Buffer.of(0, 0, 0, 35));
	t.is(encodeBase36(Buffer.alloc(16), 25), '0'.repeat(25));
	t.deepEqual(decodeBase36('0'.repeat(25), 16), Buffer.alloc(16));
	t.is(encodeBase36(Buffer.alloc(0), 3), '000');
});

test('what was encoded is decoded again', (t) => {
	for (let round = 0; round < 200; round++) {
		const bytes = randomBytes(16);
		t.deepEqual(decodeBase36(encodeBase36(bytes, 25), 16), bytes);
	}
});

test('a value that does not fit its field is refused, not cut', (t) => {
	t.throws(() => encodeBase36(Buffer.of(36), 1), { instanceOf: RangeError });
	t.is(encodeBase36(Buffer.of(35), 1), 'z');
});

for (const text of ['', ' ', '1 ', '1\n', '\n1', '-1', '+1', 'A', '1_0', '1.0', 'é', '１']) {
	test(`${JSON.stringify(text)} is not base 36`, (t) => {
		t.is(decodeBase36(text, 16), undefined);
	});
}

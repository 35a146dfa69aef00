/** The token grammar: one spelling for each token, and no message that repeats one. */

import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { bundleDigest, createToken, formatToken, parseToken, secretHash, type Token } from '#common/protocol/token.ts';

// Computed with Python: SHA-256 of "bundle", and the secret 00 01 02 … 0f.
const DIGEST = '0rb0zbvxs70stnv9rd7e1i7kdoa5jvyc9sinad420oo5h2ca2k';
const SECRET = '000avh9he7dy896m08s18udxr';
const TOKEN: Token = { kind: 'container', bundleDigest: bundleDigest('bundle'), secret: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex') };
const TEXT = `BMKTKN-1-${DIGEST}-${SECRET}`;
const LARGEST_DIGEST = '6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof';
const LARGEST_SECRET = 'f5lxx1zz5pnorynqglhzmsp33';

test('a token is written as the grammar says, by kind', (t) => {
	t.is(formatToken(TOKEN), TEXT);
	t.is(formatToken({ ...TOKEN, kind: 'join' }), TEXT.replace('BMKTKN', 'BMKJOIN'));
	t.is(TEXT.length, 85);
});

test('what was written is read again', (t) => {
	t.deepEqual(parseToken(TEXT, 'container'), TOKEN);
	t.deepEqual(parseToken(TEXT.replace('BMKTKN', 'BMKJOIN'), 'join'), { ...TOKEN, kind: 'join' });
	const largest = parseToken(`BMKTKN-1-${LARGEST_DIGEST}-${LARGEST_SECRET}`, 'container');
	t.deepEqual(largest.secret, Buffer.alloc(16, 0xff));
});

const MALFORMED: Readonly<Record<string, string>> = {
	'nothing': '',
	'another prefix': TEXT.replace('BMKTKN', 'SWMTKN'),
	'the prefix in lower case': TEXT.replace('BMKTKN', 'bmktkn'),
	'the other kind': TEXT.replace('BMKTKN', 'BMKJOIN'),
	'another version': TEXT.replace('-1-', '-2-'),
	'a digest that is one digit short': TEXT.replace(DIGEST, DIGEST.slice(1)),
	'a digest that is one digit long': TEXT.replace(DIGEST, `0${DIGEST}`),
	'a secret that is one digit short': TEXT.slice(0, -1),
	'a secret that is one digit long': `${TEXT}0`,
	'capital letters in the secret': `BMKTKN-1-${DIGEST}-${SECRET.toUpperCase()}`,
	'a secret above 128 bits': `BMKTKN-1-${DIGEST}-f5lxx1zz5pnorynqglhzmsp34`,
	'a digest above 256 bits': `BMKTKN-1-6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtog-${SECRET}`,
	'white space before it': ` ${TEXT}`,
	'white space after it': `${TEXT} `,
	'a line feed after it': `${TEXT}\n`,
	'another token on the next line': `${TEXT}\n${TEXT}`,
	'a fourth field': `${TEXT}-0`,
	'another dash': TEXT.replaceAll('-', '‐'),
	'digits of another script': TEXT.replace(SECRET, SECRET.replace('0', '０')),
	'very much text': `${TEXT}${'0'.repeat(100_000)}`,
};
for (const [name, text] of Object.entries(MALFORMED)) {
	test(`a token with ${name} is malformed, and the message does not repeat it`, (t) => {
		const error = t.throws(() => parseToken(text, 'container'), { instanceOf: BirthmarkError });
		t.is(error?.code, 'token-malformed');
		// Any eight characters of it would help somebody who guesses.
		for (const field of text.slice(0, 200).match(/[0-9a-z]{8,}/gi) ?? []) {
			for (let at = 0; at + 8 <= field.length; at++) t.false(error?.stack?.includes(field.slice(at, at + 8)));
		}
		t.is(error?.cause, undefined);
	});
}

test('the two kinds are not taken for each other', (t) => {
	t.throws(() => parseToken(TEXT, 'join'), { instanceOf: BirthmarkError, message: /join token \(BMKJOIN/ });
});

test('a new token has 128 bits of its random source and the digest as it is', (t) => {
	const asked: number[] = [];
	const token = createToken('join', TOKEN.bundleDigest, (bytes) => {
		asked.push(bytes);
		return Buffer.alloc(bytes, 7);
	});
	t.deepEqual(asked, [16]);
	t.deepEqual(token, { kind: 'join', bundleDigest: TOKEN.bundleDigest, secret: Buffer.alloc(16, 7) });
	t.notDeepEqual(createToken('join', TOKEN.bundleDigest).secret, createToken('join', TOKEN.bundleDigest).secret);
});

test('a digest of another length is a mistake of the program', (t) => {
	t.throws(() => createToken('join', Buffer.alloc(31)), { instanceOf: TypeError });
	t.throws(() => createToken('join', Buffer.alloc(33)), { instanceOf: TypeError });
});

test('what the CA stores depends on secret and kind, not on the digest', (t) => {
	t.is(secretHash(TOKEN).toString('hex'), '23b6a7879c7a72ade8c0c917b36e72a31eb4121fcf0a16f17d8876893de10791');
	t.notDeepEqual(secretHash({ ...TOKEN, kind: 'join' }), secretHash(TOKEN));
	t.notDeepEqual(secretHash({ ...TOKEN, secret: Buffer.alloc(16) }), secretHash(TOKEN));
});

test('the digest is over every byte of the bundle', (t) => {
	t.deepEqual(bundleDigest('bundle'), bundleDigest(Buffer.from('bundle')));
	t.notDeepEqual(bundleDigest('bundle\n'), bundleDigest('bundle'));
	t.is(bundleDigest('').toString('hex'), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'); // FIPS 180-4, of nothing
});

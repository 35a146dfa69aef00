/** Finding the pinned digest in a token that a user signed, without believing anything else of it. */

import test from 'ava';
import { looksLikeUserToken, MAX_USER_TOKEN_LENGTH, userTokenBundleDigest } from '#common/protocol/user-token.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';

const digest = 'ab'.repeat(32);
const token = (payload: unknown): string => `e30.${Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)).toString('base64url')}.c2ln`;

test('the digest is the audience', (t) => {
	t.is(userTokenBundleDigest(token({ aud: digest, other: 1 })).toString('hex'), digest);
});

test('the tokens of the CA are no tokens of users', (t) => {
	t.false(looksLikeUserToken(`BMKTKN-1-${'0'.repeat(50)}-${'0'.repeat(25)}`));
	t.true(looksLikeUserToken(token({})));
});

test('anything but three parts of base64url around an object with such an audience is refused, without being repeated', (t) => {
	const good = token({ aud: digest });
	const bad = [
		'', '..', 'a.b', `${good}.x`, `${good}=`, ` ${good}`, good.replace('.', ' '), token('nonsense'), token('null'), token([digest]),
		token({ aud: digest.toUpperCase() }), token({ aud: [digest] }), token({ aud: digest.slice(1) }), token({}), `e30.${'A'.repeat(MAX_USER_TOKEN_LENGTH)}.c2ln`,
		// One reader would take the first, another the last.
		token(`{"aud":"${digest}","sub":"api01","sub":"api02"}`), good.replace('e30.', `${Buffer.from('{"alg":"ES256","alg":"none"}').toString('base64url')}.`),
		// The same bytes written another way: the last character has bits that nothing counts.
		good.replace('e30.', 'e31.'), good.replace('.c2ln', '.c2l'),
		// One character more in the last group than the bytes need.
		`e30.${Buffer.from(JSON.stringify({ aud: digest })).toString('base64url')}B.c2ln`, `e30.${Buffer.from([0x22, 0xff, 0x22]).toString('base64url')}.c2ln`,
	];
	for (const text of bad) {
		const error = t.throws(() => userTokenBundleDigest(text), { instanceOf: BirthmarkError }, text.slice(0, 40));
		t.is(error?.code, 'token-malformed');
		if (text.length > 20) t.false(error?.message.includes(text.slice(4, 20)));
	}
});

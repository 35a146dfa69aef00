/** Tokens that users sign: what holds for every text that somebody brings. */

import test from 'ava';
import { deepEqual, equal, ok } from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { USER_TOKEN_TYPE, userTokenBundleDigest } from '#common/protocol/user-token.ts';
import { readUserKey } from '../../../../ca/registration/user-key.ts';
import { verifyUserToken } from '../../../../ca/registration/user-token.ts';
import type { UserRecord } from '../../../../ca/store/records.ts';
import { mutated } from '../../../support/mutation.ts';
import { holds, holdsAsync } from '../../../support/property.ts';
import { strangerOf } from '../../../support/user.ts';
import { sha256 } from '../../../support/ca.ts';

const bundle = Buffer.from('a bundle');
/** However long the runs take. */
const NOW = new Date();
const CLAIMS = ['iss', 'sub', 'ou', 'dns', 'aud', 'iat', 'nbf', 'exp', 'jti'];

async function setUp() {
	const alice = await strangerOf({ bundle }, 'alice', 'ES256', () => NOW);
	const record: UserRecord = { name: 'alice', publicKey: alice.publicKey, algorithm: 'ES256', allow: ['*/*'], status: 'active', createdAt: NOW };
	const verify = async (text: string) => {
		try {
			const findUser = async (name: string) => (name === 'alice' ? record : undefined);
			return await verifyUserToken(text, { findUser, trust: { acceptedDigests: [Buffer.from(sha256(bundle), 'hex')] }, now: NOW, maximumSeconds: 3600, skewSeconds: 60 });
		} catch (error) {
			ok(error instanceof BirthmarkError && ['token-malformed', 'token-invalid', 'token-unknown'].includes(error.code), String(error));
			ok(text.length < 40 || !error.message.includes(text.slice(0, 40)), 'the message repeats the token');
			return undefined;
		}
	};
	return { alice, verify };
}

test('a mutated token is refused, and so is every text that nobody signed', async (t) => {
	const { alice, verify } = await setUp();
	const token = await alice.token();
	t.is((await verify(token))?.claims.sub, 'api01');
	const compact = fc.array(fc.oneof(fc.json(), fc.string()).map((text) => Buffer.from(text).toString('base64url')), { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.'));
	await holdsAsync(t, 1000, fc.asyncProperty(fc.oneof(mutated(Buffer.from(token)).map((bytes) => bytes.toString('latin1')), compact, fc.string()), async (text) => {
		fc.pre(text !== token);
		equal(await verify(text), undefined, text);
	}));
});

test('a token is good as one text only: a signature whose last character is another is refused, whatever bytes it stands for', async (t) => {
	const { alice, verify } = await setUp();
	const token = await alice.token();
	const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
	for (const character of alphabet) {
		const text = token.slice(0, -1) + character;
		t.is((await verify(text)) !== undefined, text === token, character);
	}
});

test('a header that says anything but the user\'s own algorithm, key and type is refused', async (t) => {
	const { alice, verify } = await setUp();
	const [head, payload, signature] = (await alice.token()).split('.') as [string, string, string];
	const right = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, unknown>;
	const value = fc.oneof(fc.constantFrom('none', 'HS256', 'RS256', 'ES256K', 'EdDSA', 'JWT', USER_TOKEN_TYPE), fc.jsonValue());
	await holdsAsync(t, 300, fc.asyncProperty(fc.constantFrom('alg', 'kid', 'typ', 'crit', 'b64', 'jwk', 'jku', 'x5c'), value, async (name, other) => {
		fc.pre(JSON.stringify(right[name]) !== JSON.stringify(other));
		const header = Buffer.from(JSON.stringify({ ...right, [name]: other })).toString('base64url');
		equal(await verify(`${header}.${payload}.${signature}`), undefined);
	}));
});

test('claims that the user did sign are taken only when they are exactly the known ones, within bounds', async (t) => {
	const { alice, verify } = await setUp();
	const claim = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...CLAIMS) }, { weight: 1, arbitrary: fc.string() });
	const now = Math.floor(NOW.getTime() / 1000);
	const value = fc.oneof(fc.constant(undefined), fc.jsonValue(), fc.integer({ min: now - 5000, max: now + 5000 }), fc.constantFrom('api02', sha256(bundle), 'a'.repeat(22), [], ['x']));
	let taken = 0;
	await holdsAsync(t, 400, fc.asyncProperty(fc.dictionary(claim, value, { minKeys: 1, maxKeys: 3, noNullPrototype: true }), async (claims) => {
		const result = await verify(await alice.token(claims));
		if (!result) return;
		taken++;
		deepEqual(Object.keys(result.claims).sort(), [...CLAIMS].sort());
		const { iat, nbf, exp, aud, jti, iss } = result.claims;
		ok(exp > nbf && exp - iat <= 3600 && iat <= now + 60 && nbf <= now + 60);
		equal(result.isExpired, exp <= NOW.getTime() / 1000);
		ok(iss === 'alice' && aud === sha256(bundle) && jti.length >= 22);
	}));
	t.true(taken > 0);
});

test('the digest that an agent takes out of a token is the one in it, or the text is no token', async (t) => {
	const { alice } = await setUp();
	const token = await alice.token();
	holds(t, 1000, fc.property(fc.oneof(mutated(Buffer.from(token)).map((bytes) => bytes.toString('latin1')), fc.string()), (text) => {
		try {
			const digest = userTokenBundleDigest(text);
			equal((JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString()) as { aud: string }).aud, digest.toString('hex'));
		} catch (error) {
			ok(error instanceof BirthmarkError && error.code === 'token-malformed', String(error));
		}
	}));
});

test('a mutated public key of a user is refused, or it is a key of an accepted kind', (t) => {
	const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const pem = publicKey.export({ format: 'pem', type: 'spki' });
	holds(t, 500, fc.property(fc.oneof(mutated(Buffer.from(pem)).map((bytes) => bytes.toString('latin1')), fc.string()), (text) => {
		try {
			const key = readUserKey(text);
			ok(['ES256', 'EdDSA', 'RS256'].includes(key.algorithm));
			deepEqual(readUserKey(key.pem), key);
		} catch (error) {
			ok(error instanceof BirthmarkError && ['request-malformed', 'csr-key-weak', 'csr-key-unsupported', 'csr-malformed'].includes(error.code), String(error));
		}
	}));
});

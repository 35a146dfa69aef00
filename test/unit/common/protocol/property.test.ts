/** Tokens, names, SPIFFE IDs and problem documents: what holds for every input. */

import test from 'ava';
import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { decodeBase36, encodeBase36 } from '#common/protocol/base36.ts';
import { BirthmarkError, ERROR_CODES, isErrorCode, type ErrorCode } from '#common/protocol/errors.ts';
import { checkDnsName, checkName, quote, roleOf, type NameKind } from '#common/protocol/names.ts';
import { errorFromProblem } from '#common/protocol/problem.ts';
import { checkTrustDomain, spiffeId } from '#common/protocol/spiffe-id.ts';
import { formatToken, parseToken, secretHash, type TokenKind } from '#common/protocol/token.ts';
import { mutated } from '../../../support/mutation.ts';
import { holds } from '../../../support/property.ts';

const kind = fc.constantFrom<TokenKind>('container', 'join');
const token = fc.record({ kind, bundleDigest: bytes(32), secret: bytes(16) }, { noNullPrototype: true });
/** Text of every kind: plain, with all of Unicode, and almost a name. */
const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z0-9._*\/\\-]{0,70}$/), fc.stringMatching(/^[\x00-\x7f]{0,10}$/));

function bytes(length: number): fc.Arbitrary<Buffer> {
	return fc.uint8Array({ minLength: length, maxLength: length }).map((value) => Buffer.from(value));
}

/** The value, or the code of the refusal; whatever else is thrown is a fault. */
function attempt<T>(work: () => T): { readonly value: T } | { readonly code: ErrorCode } {
	try {
		return { value: work() };
	} catch (error) {
		if (error instanceof BirthmarkError) return { code: error.code };
		throw error;
	}
}

test('base 36: every value has one spelling, which reads back as the same value', (t) => {
	holds(t, 300, fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (value) => {
		const width = Math.ceil(value.length * 8 / Math.log2(36));
		const text = encodeBase36(value, width);
		equal(text.length, width);
		deepEqual(decodeBase36(text, value.length), Buffer.from(value));
	}));
	holds(t, 300, fc.property(anyText, fc.integer({ min: 1, max: 40 }), (text, length) => {
		const value = decodeBase36(text, length);
		if (value) equal(encodeBase36(value, text.length), text);
	}));
});

test('a token that was written is read as it was, and only as its own kind', (t) => {
	holds(t, 300, fc.property(token, (value) => {
		const text = formatToken(value);
		deepEqual(parseToken(text, value.kind), value);
		deepEqual(attempt(() => parseToken(text, value.kind === 'join' ? 'container' : 'join')), { code: 'token-malformed' });
	}));
});

test('whatever is read as a token is the one spelling of it', (t) => {
	const original = formatToken({ kind: 'join', bundleDigest: Buffer.alloc(32, 0x5a), secret: Buffer.alloc(16, 0xa5) });
	const text = fc.oneof(anyText, mutated(Buffer.from(original)).map((value) => value.toString('latin1')));
	holds(t, 3000, fc.property(text, kind, (value, as) => {
		const result = attempt(() => parseToken(value, as));
		if ('value' in result) equal(formatToken(result.value), value);
		else equal(result.code, 'token-malformed');
	}));
});

test('two tokens are looked up under one hash only when kind and secret are the same', (t) => {
	holds(t, 200, fc.property(token, token, (one, other) => {
		const isSame = one.kind === other.kind && one.secret.equals(other.secret);
		equal(secretHash(one).equals(secretHash(other)), isSame);
	}));
});

test('a name that is accepted can stand in a certificate, a path, a log line and a host name', (t) => {
	const kinds = fc.constantFrom<NameKind>('common name', 'node name', 'role', 'environment');
	holds(t, 1500, fc.property(kinds, anyText, (as, text) => {
		const result = attempt(() => checkName(as, text));
		if ('code' in result) return equal(result.code, 'name-illegal');
		equal(result.value, text);
		ok(text.length >= 1 && text.length <= 64);
		match(text, /^[A-Za-z0-9._-]+$/);
		ok(!(text.includes('..') || /^[.-]|[.-]$/.test(text) || text.toLowerCase().startsWith('birthmark')));
		ok('value' in attempt(() => spiffeId('example.org', [text])));
		if (as !== 'common name' && as !== 'node name') return;
		// What WHATWG URL parsing leaves alone is one host to every reader.
		equal(new URL(`https://${text}/`).hostname, text);
		equal(checkDnsName(text), text);
	}));
});

test('every name of an instance leads to a role', (t) => {
	holds(t, 1500, fc.property(fc.stringMatching(/^[a-z0-9.-]{1,64}$/), (text) => {
		if ('value' in attempt(() => checkName('common name', text))) ok('value' in attempt(() => checkName('role', roleOf(text))), roleOf(text));
	}));
});

test('a DNS name that is accepted is one host name, without wildcard, underscore or trailing dot, and no address', (t) => {
	holds(t, 1000, fc.property(fc.oneof(anyText, fc.domain(), fc.ipV4(), fc.ipV6()), (text) => {
		const result = attempt(() => checkDnsName(text));
		if ('code' in result) return equal(result.code, 'name-illegal');
		match(text, /^[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*$/);
		ok(!/[*_]|\.$|^[0-9.]+$/.test(text));
		equal(new URL(`https://${text}/`).hostname, text);
	}));
});

test('a SPIFFE ID that is made is a URI of exactly that trust domain and path', (t) => {
	const segment = fc.oneof(anyText, fc.constantFrom('.', '..', '', 'a/b', '%2e', 'a?b', 'a#b', 'ä'));
	holds(t, 1000, fc.property(fc.oneof(anyText, fc.domain()), fc.array(segment, { maxLength: 5 }), (domain, segments) => {
		const result = attempt(() => spiffeId(domain, segments));
		if ('code' in result) return equal(result.code, 'name-illegal');
		equal(checkTrustDomain(domain), domain);
		ok(Buffer.byteLength(result.value) <= 2048);
		const { protocol, pathname, search, hash, username, password, port } = new URL(result.value);
		deepEqual([protocol, search, hash, username, password, port], ['spiffe:', '', '', '', '', '']);
		deepEqual(pathname.slice(1).split('/'), segments);
	}));
});

test('a name in a message is short and cannot steer a terminal', (t) => {
	holds(t, 500, fc.property(anyText, (text) => {
		const shown = quote(text);
		ok(shown.length <= 1000);
		doesNotMatch(shown, /[\p{Cc}\p{Cf}\u2028\u2029]/u);
	}));
});

test('whatever a server answers becomes one error with a known code and a bounded sentence', (t) => {
	const body = fc.oneof(
		anyText,
		fc.json(),
		fc.record({ code: fc.oneof(fc.constantFrom(...Object.keys(ERROR_CODES)), anyText, fc.constant('__proto__')), detail: fc.anything() }, { requiredKeys: [] }).map((value) => {
			try {
				return JSON.stringify(value) ?? '';
			} catch {
				return '';
			}
		}),
	);
	holds(t, 500, fc.property(fc.integer({ min: 100, max: 599 }), body, (status, text) => {
		const error = errorFromProblem(status, text);
		ok(error instanceof BirthmarkError && isErrorCode(error.code));
		ok(error.message.length > 0 && error.message.length <= 5000);
		doesNotMatch(error.message.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\u2028\u2029]/u);
	}));
});

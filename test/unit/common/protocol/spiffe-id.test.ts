/** The rules of the SPIFFE-ID specification: §2.1 trust domain, §2.2 path, §2.3 maximum length. */

import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkTrustDomain, spiffeId } from '#common/protocol/spiffe-id.ts';

for (const domain of ['example.org', 'a', '1', 'prod_eu-1.example.org', 'a'.repeat(255)]) {
	test(`${domain.slice(0, 40)} (${domain.length}) is a trust domain`, (t) => t.is(checkTrustDomain(domain), domain));
}

for (const domain of [
	'', 'Example.org', 'example.org:443', 'user@example.org', 'example.org/path', 'spiffe://example.org', 'exa%6dple.org', 'bücher.example',
	'exam ple', 'example.org\n', 'a?b', 'a#b', '[::1]', '.example.org', 'example.org.', '-a', '..', 'a'.repeat(256),
]) {
	test(`${JSON.stringify(domain).slice(0, 40)} (${domain.length}) is no trust domain`, (t) => {
		const error = t.throws(() => checkTrustDomain(domain), { instanceOf: BirthmarkError });
		t.is(error?.code, 'name-illegal');
		t.throws(() => spiffeId(domain, ['a']), { instanceOf: BirthmarkError });
	});
}

test('a SPIFFE ID is scheme, trust domain and path', (t) => {
	t.is(spiffeId('example.org', ['production', 'web-api', 'api01']), 'spiffe://example.org/production/web-api/api01');
	t.is(spiffeId('example.org', ['a']), 'spiffe://example.org/a');
	t.is(spiffeId('example.org', ['A.b_c-9', '...', '.a']), 'spiffe://example.org/A.b_c-9/.../.a');
});

test('it survives a URL parser as it is', (t) => {
	const { protocol, host, pathname, search, hash, username, port } = new URL(spiffeId('example.org', ['production', 'Web_API.v2', 'api01']));
	t.deepEqual({ protocol, host, pathname, search, hash, username, port }, { protocol: 'spiffe:', host: 'example.org', pathname: '/production/Web_API.v2/api01', search: '', hash: '', username: '', port: '' });
});

for (const segment of ['', '.', '..', 'a/b', '/', 'a b', 'a%20b', 'ü', 'a?b', 'a#b', 'a:b', 'a~b', 'a\n', '\u0000', '*', 'a@b', 'a\\b']) {
	test(`${JSON.stringify(segment)} is no segment, wherever it stands`, (t) => {
		for (const segments of [[segment], ['a', segment], [segment, 'a'], ['a', segment, 'b']]) {
			const error = t.throws(() => spiffeId('example.org', segments), { instanceOf: BirthmarkError });
			t.is(error?.code, 'name-illegal');
		}
	});
}

test('a path is asked for: the trust domain alone names no workload', (t) => {
	t.throws(() => spiffeId('example.org', []), { instanceOf: BirthmarkError, message: /has a path$/ });
});

test('2048 bytes are the most', (t) => {
	const room = 2048 - 'spiffe://example.org/'.length;
	t.is(spiffeId('example.org', ['a'.repeat(room)]).length, 2048);
	t.throws(() => spiffeId('example.org', ['a'.repeat(room + 1)]), { instanceOf: BirthmarkError, message: /longer than 2048 bytes$/ });
});

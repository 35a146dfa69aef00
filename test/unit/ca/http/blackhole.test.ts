/** Who sends too much that is bad is not heard, and nobody else pays for it: with a real CA, everybody behind one address. */

import test from 'ava';
import { bundleDigest, createToken, formatToken } from '#common/protocol/token.ts';
import { createLogger } from '#common/runtime/log.ts';
import { newKey, startCa, type Answer, type TestCa } from '../../../support/ca.ts';

const config = { blackhole: { failures: 3, addressFailures: 6, windowSeconds: 600, shutOutSeconds: 600 } };
const BAD_CSR = 'this is no CSR';

const unknownToken = (ca: TestCa): string => formatToken(createToken('container', bundleDigest(ca.bundle)));
const sign = (ca: TestCa, token: string, body: string) => ca.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body });
const code = (answer: Answer) => answer.json()['code'];

async function shutOutTheAddress(ca: TestCa): Promise<void> {
	for (let attempt = 0; attempt < 6; attempt++) await sign(ca, unknownToken(ca), newKey().csr());
}

test('an address that only sends bad tokens is told to wait', async (t) => {
	const ca = await startCa(t, { config });
	for (let attempt = 0; attempt < 6; attempt++) t.is(code(await sign(ca, unknownToken(ca), newKey().csr())), 'token-unknown');
	const answer = await sign(ca, unknownToken(ca), newKey().csr());
	t.is(answer.status, 429);
	t.is(code(answer), 'source-shut-out');
	t.true(Number(answer.headers['retry-after']) >= 1 && Number(answer.headers['retry-after']) <= 600);
	t.is(code(await sign(ca, 'BMKTKN-1-nonsense', newKey().csr())), 'source-shut-out');
	t.is(code(await ca.request('GET', '/v1/nodes')), 'source-shut-out');
});

test('a container cannot shut out its node, its neighbours or anybody else behind the same address', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	const neighbour = await ca.enrol(node, 'web01', 'web');
	await shutOutTheAddress(ca);
	t.is((await sign(ca, unknownToken(ca), newKey().csr())).status, 429);

	t.is((await ca.request('GET', '/v1/whoami', { credentials: node })).status, 200);
	t.is((await ca.request('POST', '/v1/renew', { credentials: neighbour, body: newKey().csr() })).status, 200);
	const fresh = await ca.enrol(node, 'web02', 'web');
	t.truthy(fresh.cert);
	t.truthy(await ca.join('host2'));
	for (const path of ['/v1/roots', '/v1/crl', '/readyz']) t.is((await ca.request('GET', path)).status, 200, path);
	t.is((await ca.request('POST', '/v1/revoke', { credentials: node, body: { containerId: 'a'.repeat(64) } })).status, 200);
});

test('a token with which bad CSRs come is shut out, and no other token', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	const tokens = await Promise.all(['web01', 'web02'].map(async (commonName) => ca.mint(node, (await ca.authorize(node, { commonName })).id)));
	for (let attempt = 0; attempt < 3; attempt++) t.is(code(await sign(ca, tokens[0]!, BAD_CSR)), 'csr-malformed');
	t.is((await sign(ca, tokens[0]!, newKey().csr())).status, 429);
	t.is((await ca.request('PUT', `/v1/sign/${tokens[0]}`, { body: newKey().csr() })).status, 429);
	t.is((await sign(ca, tokens[1]!, newKey().csr())).status, 200);
	// Nothing of that counts against the address.
	t.is(code(await sign(ca, unknownToken(ca), newKey().csr())), 'token-unknown');
});

test('a certificate whose renewals are bad is shut out from renewing, and can do everything else', async (t) => {
	const ca = await startCa(t, { config });
	const [node, other] = [await ca.join('host1'), await ca.join('host2')];
	const renew = (credentials: typeof node, body: string) => ca.request('POST', '/v1/renew', { credentials, body });
	for (let attempt = 0; attempt < 3; attempt++) t.is(code(await renew(node, BAD_CSR)), 'csr-malformed');
	const refused = await renew(node, newKey().csr());
	t.is(refused.status, 429);
	t.regex(refused.json<{ detail: string }>().detail, /this identity/);
	t.is((await renew(other, newKey().csr())).status, 200);
	t.truthy(await ca.enrol(node, 'web01', 'web'));
	t.is((await ca.request('DELETE', `/v1/authorizations/${(await ca.enrol(node, 'web02', 'web')).authorizationId}`, { credentials: node })).status, 204);
});

test('names that are refused to users of a node do not count against the node', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1', ['web*/web']);
	for (let attempt = 0; attempt < 20; attempt++) {
		const body = { commonName: 'db01', organizationalUnit: 'db', dnsNames: [], image: 'x', containerId: 'a'.repeat(64) };
		t.is(code(await ca.request('POST', '/v1/authorize', { credentials: node, body })), 'name-not-allowed');
	}
	t.truthy(await ca.enrol(node, 'web01', 'web'));
});

test('bad tokens that a node is asked to register count against nobody: not its address either', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	const headers = { 'content-type': 'application/x-www-form-urlencoded' };
	for (let attempt = 0; attempt < 10; attempt++) {
		t.is(code(await ca.request('POST', '/v1/authorize', { credentials: node, headers, body: 'cn=web01&token=weak' })), 'token-malformed');
	}
	t.is(code(await sign(ca, unknownToken(ca), newKey().csr())), 'token-unknown');
});

test('whoever operates the machine is never shut out', async (t) => {
	const ca = await startCa(t, { config });
	await shutOutTheAddress(ca);
	for (let attempt = 0; attempt < 20; attempt++) t.is(code(await ca.admin('PUT', '/v1/sign/nonsense', {})), 'token-malformed');
	t.is((await ca.admin('GET', '/v1/nodes')).status, 200);
});

test('being shut out is said once, without a token', async (t) => {
	const lines: string[] = [];
	const ca = await startCa(t, { config, logger: createLogger('ca', 'info', (line) => lines.push(line)) });
	await shutOutTheAddress(ca);
	for (let attempt = 0; attempt < 5; attempt++) await sign(ca, unknownToken(ca), newKey().csr());
	const said = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ message }) => message === 'source shut out');
	t.is(said.length, 1);
	t.like(said[0], { level: 'warn', source: '127.0.0.1', reason: 'address', seconds: 600, code: 'token-unknown' });
	t.notRegex(lines.join(''), /BMKTKN|"status":429/);
});

/** Nodes and operators join. */

import test from 'ava';
import { X509Certificate } from 'node:crypto';
import type { JoinAnswer, NodeInfo, WhoAmI } from '#common/protocol/messages.ts';
import { movableClock, newKey, startCa, type KeyPair, type TestCa } from '../../../support/ca.ts';

function redeem(ca: TestCa, token: string, key: KeyPair = newKey(), name?: string) {
	return ca.request('POST', '/v1/join', { headers: { authorization: `Bearer ${token}` }, body: { csr: key.csr(), ...(name !== undefined && { name }) } });
}

test('a node gets a certificate for clients only, under the name in its token', async (t) => {
	const ca = await startCa(t);
	const answer = await redeem(ca, await ca.joinToken({ role: 'node', name: 'host1', allow: ['web*/web'] }), newKey(), 'ignored');
	t.is(answer.status, 201);
	const { certificate, ...rest } = answer.json<JoinAnswer>();
	t.deepEqual(rest, { role: 'node', name: 'host1', trustDomain: 'birthmark.internal', environment: 'production' });
	const leaf = new X509Certificate(certificate);
	t.is(leaf.subject, 'O=production\nOU=birthmark-node\nCN=host1');
	t.is(leaf.subjectAltName, 'URI:spiffe://birthmark.internal/birthmark/node/host1');
	t.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.2']);
	const { nodes } = (await ca.admin('GET', '/v1/nodes')).json<{ nodes: NodeInfo[] }>();
	t.like(nodes, [{ name: 'host1', status: 'active', allow: ['web*/web'], liveIdentities: 0 }]);
});

test('an operator joins, and can do what operators do', async (t) => {
	const ca = await startCa(t);
	const alice = await ca.join('alice', [], 'operator');
	const answer = await ca.request('GET', '/v1/whoami', { credentials: alice });
	t.like(answer.json<WhoAmI>(), { role: 'operator', name: 'alice', spiffeId: 'spiffe://birthmark.internal/birthmark/operator/alice' });
	t.is((await ca.request('GET', '/v1/nodes', { credentials: alice })).status, 200);
});

test('a join token is good for one key', async (t) => {
	const ca = await startCa(t);
	const token = await ca.joinToken({ role: 'node', name: 'host1' });
	const key = newKey();
	const first = await redeem(ca, token, key);
	t.deepEqual((await redeem(ca, token, key)).text, first.text);
	t.is((await redeem(ca, token)).json()['code'], 'token-used');
});

test('a join token runs out', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock });
	const token = await ca.joinToken({ role: 'node', name: 'host1', ttlSeconds: 5 });
	clock.advance(5);
	t.is((await redeem(ca, token)).json()['code'], 'token-expired');
});

test('a token without a name takes the name of the request, which must be free and legal', async (t) => {
	const ca = await startCa(t);
	const token = await ca.joinToken({ role: 'node' });
	t.is((await redeem(ca, token)).json()['code'], 'request-malformed');
	t.is((await redeem(ca, token, newKey(), '../../etc')).json()['code'], 'name-illegal');
	t.is((await redeem(ca, token, newKey(), 'birthmark-ca')).json()['code'], 'name-illegal');
	t.is((await redeem(ca, token, newKey(), 'host1')).status, 201);
	t.is((await redeem(ca, await ca.joinToken({ role: 'node' }), newKey(), 'host1')).json()['code'], 'node-exists');
});

test('a reinstalled host joins again by a token with its name; its earlier certificate is worth nothing then, its rules are the new ones', async (t) => {
	const ca = await startCa(t);
	const before = await ca.join('host1', ['web*/web']);
	const container = await ca.enrol(before, 'web01', 'web');
	const after = await ca.join('host1', ['api*/web-api']);
	t.is((await ca.request('GET', '/v1/whoami', { credentials: before })).json()['code'], 'certificate-revoked');
	t.is((await ca.request('GET', '/v1/whoami', { credentials: after })).status, 200);
	t.is((await ca.request('GET', '/v1/whoami', { credentials: container })).status, 200);
	const { nodes } = (await ca.admin('GET', '/v1/nodes')).json<{ nodes: NodeInfo[] }>();
	t.deepEqual(nodes.map(({ name, allow }) => ({ name, allow })), [{ name: 'host1', allow: ['api*/web-api'] }]);
});

test('two hosts that race for one name with tokens without names: one gets it', async (t) => {
	const ca = await startCa(t);
	const tokens = await Promise.all(Array.from({ length: 10 }, () => ca.joinToken({ role: 'node' })));
	const answers = await Promise.all(tokens.map((token) => redeem(ca, token, newKey(), 'host1')));
	t.is(answers.filter(({ status }) => status === 201).length, 1);
	t.is(answers.filter(({ text }) => text.includes('node-exists')).length, 9);
});

test('what makes no sense in a join token is refused', async (t) => {
	const ca = await startCa(t);
	const code = async (body: object) => (await ca.admin('POST', '/v1/join-tokens', body)).json()['code'];
	t.is(await code({ role: 'operator' }), 'request-malformed');
	t.is(await code({ role: 'operator', name: 'alice', allow: ['*/*'] }), 'request-malformed');
	t.is(await code({ role: 'node', allow: ['everything'] }), 'request-malformed');
	t.is(await code({ role: 'node', name: 'UPPER' }), 'name-illegal');
	t.is(await code({ role: 'workload', name: 'web01' }), 'request-malformed');
});

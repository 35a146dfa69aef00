/** `birthmark node` and `birthmark operator` against a real CA. */

import test from 'ava';
import { parseToken } from '#common/protocol/token.ts';
import type { MintedToken, NodeInfo, RevokeAnswer } from '#common/protocol/messages.ts';
import { newKey, startCa } from '../../../support/ca.ts';
import { newCommand } from '../../../support/command.ts';

test('a token for a node is all that is printed, and lets a node in under its rules', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const { code, stdout, stderr } = await birthmark(['node', 'token', '--name', 'host1', '--allow', 'api*/web-api', 'web??/web', '--ttl', '30m']);
	t.is(code, 0);
	t.is(stderr, '');
	t.is(parseToken(stdout.trimEnd(), 'join').kind, 'join');
	const joined = await ca.request('POST', '/v1/join', { headers: { authorization: `Bearer ${stdout.trimEnd()}` }, body: { csr: newKey().csr() } });
	t.is(joined.status, 201);
	const { nodes } = (await birthmark(['node', 'ls', '--json'])).json<{ nodes: NodeInfo[] }>();
	t.like(nodes[0], { name: 'host1', status: 'active', allow: ['api*/web-api', 'web??/web'], liveIdentities: 0 });
});

test('--ttl is the time until the token expires', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	for (const kind of ['node', 'operator']) {
		const before = Date.now();
		const { expiresAt, token } = (await birthmark([kind, 'token', '--name', 'somebody', '--ttl', '2h', '--json'])).json<MintedToken>();
		const madeAt = Date.parse(expiresAt) - 2 * 3_600_000;
		t.true(madeAt > before - 1000 && madeAt < Date.now() + 1000, expiresAt);
		t.notThrows(() => parseToken(token, 'join'));
	}
});

test('without --allow it warns on standard error, where it cannot get into the token', async (t) => {
	const ca = await startCa(t);
	const { code, stdout, stderr } = await newCommand(t, '--ca-socket', ca.adminSocket)(['node', 'token']);
	t.is(code, 0);
	t.regex(stdout, /^BMKJOIN-1-[0-9a-z]{50}-[0-9a-z]{25}\n$/);
	t.regex(stderr, /^note: without --allow/);
});

test('nodes are listed, allowed more or other names, and cut off', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	t.is((await birthmark(['node', 'ls'])).stdout, 'NODE  STATUS  LIVE  JOINED  MAY AUTHORIZE\n');
	const host = await ca.join('host1', ['web*/web']);
	await ca.join('host2', []);
	await ca.enrol(host, 'web01', 'web');

	const table = (await birthmark(['node', 'ls'])).stdout.split('\n');
	t.regex(table[1]!, /^host1 {2}active {2}1 {5}20\d\d-\S+Z {2}web\*\/web$/);
	t.regex(table[2]!, /^host2 {2}active {2}0 {5}20\d\d-\S+Z {2}\(nothing\)$/);

	t.is((await birthmark(['node', 'allow', 'host1', 'api*/web-api', 'web*/web'])).stdout, 'host1 may authorize: web*/web, api*/web-api\n');
	t.is((await birthmark(['node', 'disallow', 'host1', 'web*/web', 'never/there'])).stdout, 'host1 may authorize: api*/web-api\n');
	t.is((await birthmark(['node', 'disallow', 'host1', 'api*/web-api'])).stdout, 'host1 may authorize: (nothing)\n');
	t.like((await birthmark(['node', 'allow', 'host1', '--replace', 'job*/batch', '--json'])).json<NodeInfo>(), { name: 'host1', allow: ['job*/batch'] });

	t.like((await birthmark(['node', 'rm', 'host1', '--json'])).json<RevokeAnswer>(), { revoked: 2 });
	t.is((await birthmark(['node', 'rm', 'host2'])).stdout, 'host2 is cut off; revoked 1 certificate\n');
	const { nodes } = (await birthmark(['--json', 'node', 'ls'])).json<{ nodes: NodeInfo[] }>();
	t.deepEqual(nodes.map(({ status }) => status), ['cut-off', 'cut-off']);
	t.is((await ca.request('GET', '/v1/whoami', { credentials: host })).json()['code'], 'certificate-revoked');
});

test('rules that are added at the same time are all there', async (t) => {
	const ca = await startCa(t);
	await ca.join('host1', []);
	const rules = Array.from({ length: 20 }, (_, index) => `api${index}/web`);
	const answers = await Promise.all(rules.map((rule) => ca.admin('PATCH', '/v1/nodes/host1', { add: [rule] })));
	t.true(answers.every(({ status }) => status === 200));
	const { nodes } = (await ca.admin('GET', '/v1/nodes')).json<{ nodes: NodeInfo[] }>();
	t.deepEqual([...nodes[0]!.allow].sort(), [...rules].sort());
	t.is((await ca.admin('PATCH', '/v1/nodes/host1', { add: Array.from({ length: 45 }, (_, index) => `web${index}/web`) })).json()['code'], 'request-malformed');
	for (const body of [{}, { allow: [], add: [] }, { allow: [], remove: [] }, { add: ['no rule'] }]) t.is((await ca.admin('PATCH', '/v1/nodes/host1', body)).json()['code'], 'request-malformed');
	t.is((await ca.admin('PATCH', '/v1/nodes/host1', { add: [], remove: rules })).json<NodeInfo>().allow.length, 0);
});

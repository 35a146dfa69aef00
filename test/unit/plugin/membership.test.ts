/** Joining, renewing and calling, against a real CA. */

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { bundleDigest, createToken, formatToken } from '#common/protocol/token.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { createFailOver } from '#common/runtime/fail-over.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { createCaClient } from '../../../plugin/ca-client.ts';
import { joinCa } from '../../../plugin/join.ts';
import { startMembership } from '../../../plugin/membership.ts';
import { createNodeIdentityStore, leafOf } from '../../../plugin/node-identity.ts';
import { newContainerId, newKey, startCa, temporaryFolder } from '../../support/ca.ts';

const names = { commonName: 'api01', organizationalUnit: 'web-api', dnsNames: [], image: 'app:1' };

async function world(t: ExecutionContext, config: object = {}) {
	const ca = await startCa(t, { config });
	const directory = temporaryFolder(t);
	const store = createNodeIdentityStore(directory);
	const instances = createFailOver([ca.url]);
	const client = createCaClient({ instances, credentials: () => store.current(), clock: systemClock });
	t.teardown(() => client.close());
	return { ca, instances, directory, store, client };
}

test('a node joins, is remembered and may authorize what it was allowed', async (t) => {
	const { ca, instances, directory, store, client } = await world(t);
	const token = await ca.joinToken({ role: 'node', allow: ['api*/web-api'] });
	await t.throwsAsync(client.authorize(names), { code: 'node-not-joined' });
	const joined = await joinCa(store, instances, token, 'Host1');
	t.is(joined.name, 'host1');
	t.is(statSync(join(directory, 'node.json')).mode & 0o777, 0o600);
	t.false(readFileSync(join(directory, 'node.json'), 'utf8').includes(token));
	t.deepEqual(createNodeIdentityStore(directory).current(), joined);
	t.is((await client.authorize({ ...names, dryRun: true })).id, undefined);
	await t.throwsAsync(client.authorize({ ...names, commonName: 'db01' }), { code: 'name-not-allowed' });
	t.is(client.isReachable(), true);
	t.true(Math.abs(client.clockSkewSeconds()!) <= 2);
});

test('a whole life passes through the client', async (t) => {
	const { ca, instances, store, client } = await world(t);
	await joinCa(store, instances, await ca.joinToken({ role: 'node', allow: ['*/*'] }), 'host1');
	const { id } = await client.authorize({ ...names, containerId: newContainerId() });
	t.regex((await client.mintToken(id!, { startId: 'start-1' })).token, /^BMKTKN-1-/);
	const list = await client.revocationList();
	t.regex(list!.text, /BEGIN X509 CRL/);
	t.is(await client.revocationList(list!.etag), undefined);
	await client.revoke({ authorizationId: id!, startId: 'start-1', reason: 'cessationOfOperation' });
	await client.endAuthorization(id!);
	await client.endAuthorization(id!);
	await t.throwsAsync(client.mintToken(id!, { startId: 'start-2' }), { code: 'authorization-ended' });
});

test('a join whose answer was lost is repeated with the same key', async (t) => {
	const { ca, instances, store } = await world(t);
	const token = await ca.joinToken({ role: 'node', name: 'host1' });
	const save = store.save;
	const lossy = { ...store, save: () => Promise.reject(new Error('killed')) };
	await t.throwsAsync(joinCa(lossy, instances, token, 'x'), { message: 'killed' });
	const joined = await joinCa({ ...store, save }, instances, token, 'x');
	t.is(joined.name, 'host1');
	t.true(leafOf(joined.certificate, joined.key).matchesKey);
	t.is(store.pendingJoin(), undefined);
});

test('another trust bundle than the token was made for ends the join before the token is sent', async (t) => {
	const { instances, store } = await world(t);
	const token = formatToken(createToken('join', Buffer.alloc(32, 7)));
	await t.throwsAsync(joinCa(store, instances, token, 'host1'), { code: 'bundle-digest-mismatch' });
	t.is(store.current(), undefined);
	t.is(store.pendingJoin(), undefined);
});

test('a token for an operator is refused', async (t) => {
	const { ca, instances, store } = await world(t);
	await t.throwsAsync(joinCa(store, instances, await ca.joinToken({ role: 'operator', name: 'admin' }), 'host1'), { code: 'token-wrong-name' });
	t.is(store.current(), undefined);
});

test('a token for an operator that a node tries is not used up', async (t) => {
	const { ca, instances, store } = await world(t);
	const token = await ca.joinToken({ role: 'operator', name: 'admin' });
	await t.throwsAsync(joinCa(store, instances, token, 'host1'), { code: 'token-wrong-name', message: /token for an operator, not for a node/ });
	const answer = await ca.request('POST', '/v1/join', { headers: { authorization: `Bearer ${token}` }, body: { role: 'operator', csr: newKey().csr() } });
	t.is(answer.status, 201);
});

test('membership joins with a new token, renews when it is time, and reports what is wrong', async (t) => {
	const { ca, instances, store, client } = await world(t);
	const first = await ca.joinToken({ role: 'node', name: 'host1', allow: ['*/*'] });
	const states: string[] = [];
	let onChange: () => void = () => undefined;
	const watched = {
		...store,
		save: async (identity: Parameters<typeof store.save>[0]) => {
			await store.save(identity);
			states.push(identity.joinTokenHash.slice(0, 8));
			onChange();
		},
	};
	const life = { now: systemClock.now };
	const start = (joinToken: string | undefined) => {
		const changed = new Promise<void>((resolve) => (onChange = resolve));
		const membership = startMembership({ store: watched, ca: client, instances, joinToken, nodeName: async () => 'host1', onOtherCa: () => t.fail(), clock: { now: () => life.now() }, random: () => 0, logger: silentLogger });
		t.teardown(() => membership.close());
		return { membership, changed };
	};
	const joining = start(first);
	t.is(joining.membership.problem(), 'not joined yet');
	await joining.changed;
	joining.membership.close();
	const joined = store.current()!;

	const rejoining = start(await ca.joinToken({ role: 'node', name: 'host1', allow: ['*/*'] }));
	await rejoining.changed;
	rejoining.membership.close();
	t.not(store.current()!.key, joined.key);
	t.not(states[0], states[1]);

	const { notBefore, notAfter } = leafOf(store.current()!.certificate, store.current()!.key);
	life.now = () => new Date((notBefore.getTime() + notAfter.getTime()) / 2 + 1000);
	const before = store.current()!;
	const renewing = start(undefined);
	await renewing.changed;
	renewing.membership.close();
	t.not(store.current()!.key, before.key);
	t.is(store.current()!.name, 'host1');
	t.is(states.length, 3);
});

test('a join token that is not good any more does not keep the node from following the trust bundle', async (t) => {
	const { ca, instances, store, client } = await world(t);
	const joined = await joinCa(store, instances, await ca.joinToken({ role: 'node', name: 'host1' }), 'x');
	await ca.admin('POST', '/v1/rotation', { changes: 'root', isManual: true });
	const followed = new Promise<string>((resolve) => {
		const watched = { ...store, save: async (identity: Parameters<typeof store.save>[0]) => store.save(identity).then(() => resolve(identity.bundle)) };
		const spent = formatToken(createToken('join', bundleDigest(joined.bundle)));
		const membership = startMembership({ store: watched, ca: client, instances, joinToken: spent, nodeName: async () => 'host1', onOtherCa: () => t.fail(), clock: systemClock, random: () => 0, logger: silentLogger });
		t.teardown(() => membership.close());
	});
	t.is((await followed).split('-----BEGIN').length - 1, 2);
	t.is(store.current()!.joinTokenHash, joined.joinTokenHash);
});

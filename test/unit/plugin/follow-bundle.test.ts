/** A CA replaces its root, and the node goes with it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { bundleDigest } from '#common/protocol/token.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { createFailOver } from '#common/runtime/fail-over.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { createCaClient } from '../../../plugin/ca-client.ts';
import { createBundleFollower } from '../../../plugin/follow-bundle.ts';
import { createNodeIdentityStore, type NodeIdentity } from '../../../plugin/node-identity.ts';
import { createPki, FakeCa, issueLeaf, leafDefaults, successorOf } from '../../fakes/ca.ts';
import { newKey, temporaryFolder } from '../../support/ca.ts';

const oldPki = await createPki();
const newPki = await successorOf(oldPki);
const both = Buffer.concat([oldPki.bundle, newPki.bundle]).toString();
const hex = (bundle: Buffer | string) => bundleDigest(bundle).toString('hex');

/** A node that joined under the old root. */
async function node(t: ExecutionContext) {
	const ca = await FakeCa.start(t, oldPki);
	const directory = temporaryFolder(t);
	const store = createNodeIdentityStore(directory);
	const key = generateSigningKey();
	const certificate = await issueLeaf({ ...leafDefaults('host1', oldPki, 3600), publicKey: key.publicKey });
	await store.save({ key: exportSigningKey(key), certificate, bundle: oldPki.bundle.toString(), name: 'host1', trustDomain: 'd', environment: 'e', joinTokenHash: 'h' });
	const client = createCaClient({ instances: createFailOver([ca.url]), credentials: store.current, clock: systemClock });
	t.teardown(() => client.close());
	const logged: string[] = [];
	const log = (level: string) => (message: string) => void logged.push(`${level}: ${message}`);
	const stored = () => (JSON.parse(readFileSync(join(directory, 'node.json'), 'utf8')) as NodeIdentity).bundle;
	return { ca, client, store, stored, logged, follow: createBundleFollower({ store, ca: client, logger: { info: log('info'), warn: log('warn') } }) };
}

test('through a whole change of the root the node follows, durably, and tells the CA', async (t) => {
	const { ca, client, stored, logged, follow } = await node(t);
	t.false(await follow());
	t.deepEqual(ca.seen.map(({ route }) => route), ['bundle/acknowledge']);

	ca.publish(Buffer.from(both));
	await follow();
	t.is(stored(), both);
	await ca.use(newPki);
	t.regex(await client.renew(newKey().csr()), /BEGIN CERTIFICATE/);

	ca.publish(newPki.bundle);
	await follow();
	t.is(stored(), newPki.bundle.toString());
	t.deepEqual([...new Set(ca.acknowledged)], [hex(oldPki.bundle), hex(both), hex(newPki.bundle)]);
	ca.wantsRenewal = true;
	t.true(await follow());
	t.deepEqual(logged, ['info: another trust bundle is in use', 'info: another trust bundle is in use']);
});

test('what is under way when the bundle changes is not cut off', async (t) => {
	const { ca, client, store, follow } = await node(t);
	await client.changedBundle(store.current()!);
	ca.publish(Buffer.from(both));
	let arrived: () => void = () => undefined;
	const isThere = new Promise<void>((resolve) => (arrived = resolve));
	let answer: () => void = () => undefined;
	ca.hold = new Promise<void>((resolve) => (answer = resolve));
	ca.onRequest = (route) => (route === 'renew' ? arrived() : undefined);
	const renewal = client.renew(newKey().csr());
	await isThere;
	ca.hold = undefined;
	await follow();
	t.is(store.current()!.bundle, both);
	answer();
	t.regex(await renewal, /BEGIN CERTIFICATE/);
});

const strangers = await createPki();
for (const [what, bundle] of [['empty', ''], ['no bundle', 'welcome'], ['one under which the CA itself is not trusted', strangers.bundle.toString()]] as const) {
	test(`a bundle that is ${what} is refused, and the log says so`, async (t) => {
		const { ca, stored, logged, follow } = await node(t);
		ca.publish(Buffer.from(bundle));
		await follow();
		t.is(stored(), oldPki.bundle.toString());
		t.deepEqual(ca.acknowledged, [hex(oldPki.bundle)]);
		t.deepEqual(logged, ['warn: the trust bundle could not be compared with the CA\'s, the stored one stays']);
	});
}

test('a change of the bundle does not forget a join that is under way', async (t) => {
	const { store } = await node(t);
	await store.savePendingJoin({ key: 'next', joinTokenHash: 'another' });
	await store.save({ ...store.current()!, bundle: both });
	t.is(store.pendingJoin()?.key, 'next');
	await store.save({ ...store.current()!, joinTokenHash: 'another' });
	t.is(store.pendingJoin(), undefined);
});

/** A CA replaces its root, and the agent goes with it, step by step; or does not, when something is wrong. */

import test, { type ExecutionContext } from 'ava';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleDigest } from '#common/protocol/token.ts';
import type { LogFields } from '#common/runtime/log.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { createCaClient } from '../../../agent/ca-client.ts';
import { createBundleFollower } from '../../../agent/follow-bundle.ts';
import { keepRenewed } from '../../../agent/renewal-loop.ts';
import { renew } from '../../../agent/renew.ts';
import { publish, readIdentity } from '../../../agent/store.ts';
import { createPki, FakeCa, issueLeaf, leafDefaults, successorOf, type FakePki } from '../../fakes/ca.ts';
import { fakeDemands } from '../../fakes/demands.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const never = new AbortController().signal;
const oldPki = await createPki();
const newPki = await successorOf(oldPki);
const both = Buffer.concat([oldPki.bundle, newPki.bundle]);
const hex = (bundle: Buffer) => bundleDigest(bundle).toString('hex');

/** An agent with an identity of one hour under the old root. */
async function agent(t: ExecutionContext, ca: FakeCa, pki: FakePki = oldPki) {
	const directory = tmpfsDirectory(t);
	const key = generateSigningKey();
	publish(directory, { key: exportSigningKey(key), chain: await issueLeaf({ ...leafDefaults('api01', pki, 3600), publicKey: key.publicKey }), bundle: oldPki.bundle });
	const logged: Array<{ level: string; message: string; fields: LogFields | undefined }> = [];
	const log = (level: string) => (message: string, fields?: LogFields) => void logged.push({ level, message, fields });
	const deps = { ca: createCaClient([ca.address]), clock: systemClock, logger: { info: log('info'), warn: log('warn'), error: log('error') } };
	return { directory, logged, deps, follow: createBundleFollower(directory, deps), published: () => readFileSync(join(directory, 'ca.crt')) };
}

test('a look at a bundle that did not change is one request', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { follow, logged } = await agent(t, ca);
	t.false(await follow(never));
	t.deepEqual(ca.acknowledged, [hex(oldPki.bundle)]);
	t.deepEqual(ca.seen.map(({ route }) => route), ['bundle/acknowledge']);
	t.deepEqual(logged, []);
});

test('through a whole change of the root the agent follows, and is good for peers of every stage', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { follow, directory, deps, logged, published } = await agent(t, ca);

	ca.publish(both);
	await follow(never);
	t.deepEqual(published(), both);
	t.deepEqual(ca.acknowledged, [hex(oldPki.bundle), hex(both)]);

	await ca.use(newPki);
	await renew(directory, never, deps);
	t.deepEqual(ca.acknowledged.slice(2), [hex(both)]);
	t.is(readIdentity(directory)!.chain.split('BEGIN').length - 1, 3);

	ca.publish(newPki.bundle);
	await follow(never);
	t.deepEqual(published(), newPki.bundle);
	t.is(ca.acknowledged.at(-1), hex(newPki.bundle));
	await renew(directory, never, deps);
	t.deepEqual(logged.filter(({ level }) => level !== 'info'), []);
});

test('an acknowledgement that was lost is sent again, and the bundle is in use meanwhile', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { follow, published } = await agent(t, ca);
	ca.publish(both);
	let count = 0;
	ca.onRequest = (route) => {
		if (route === 'bundle/acknowledge' && ++count === 2) ca.faults[route].push({ kind: 'problem', status: 503, code: 'ca-unavailable' });
	};
	await follow(never);
	t.deepEqual(published(), both);
	t.deepEqual(ca.acknowledged, [hex(oldPki.bundle)]);
	await follow(never);
	t.deepEqual(ca.acknowledged, [hex(oldPki.bundle), hex(both)]);
});

test('a CA that knows nothing of acknowledgements is followed all the same', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { follow, logged, published } = await agent(t, ca);
	ca.onRequest = (route) => {
		if (route === 'bundle/acknowledge') ca.faults[route].push({ kind: 'problem', status: 404, code: 'not-found' });
	};
	await follow(never);
	ca.publish(both);
	await follow(never);
	t.deepEqual(published(), both);
	t.deepEqual(logged.filter(({ level }) => level !== 'info'), []);
});

test('an agent whose issuer is about to go renews at its next look, once', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { directory, deps } = await agent(t, ca);
	ca.wantsRenewal = true;
	const stop = new AbortController();
	let now = Date.now();
	const slept: number[] = [];
	const sleep = async (milliseconds: number, signal: AbortSignal) => {
		if (ca.count('renew') === 1) stop.abort(new Error('enough'));
		if (signal.aborted) throw signal.reason;
		slept.push(milliseconds);
		now += milliseconds;
	};
	const loop = { ...deps, clock: { now: () => new Date(now) }, random: () => 0.5, sleep, bundleCheckSeconds: 40, watchDemands: fakeDemands };
	await t.throwsAsync(keepRenewed(directory, stop.signal, loop), { message: 'enough' });
	t.deepEqual(slept, [30_000]);
	t.is(ca.count('renew'), 1);
});

const strangers = await createPki();
for (const [what, bundle] of [
	['empty', Buffer.alloc(0)],
	['not PEM', Buffer.from('welcome')],
	['a leaf', Buffer.from(await issueLeaf({ ...leafDefaults('api01', oldPki, 3600), publicKey: generateSigningKey().publicKey }))],
	['one under which the CA itself is not trusted', strangers.bundle],
] as const) {
	test(`a bundle that is ${what} is refused, and the log says so`, async (t) => {
		const ca = await FakeCa.start(t, oldPki);
		const { follow, logged, published } = await agent(t, ca);
		ca.publish(bundle);
		await follow(never);
		t.deepEqual(published(), oldPki.bundle);
		t.deepEqual(ca.acknowledged, [hex(oldPki.bundle)]);
		t.is(logged.at(-1)?.level, 'warn');
		t.is((logged.at(-1)?.fields?.error as { code?: string }).code, 'ca-protocol');
	});
}

test('a bundle under which the own certificate is not good waits for the renewal', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { follow, directory, deps, logged, published } = await agent(t, ca);
	await ca.use(newPki);
	ca.publish(newPki.bundle);
	await follow(never);
	t.deepEqual(published(), oldPki.bundle);
	t.is((logged.at(-1)?.fields?.error as { code?: string }).code, 'certificate-invalid');
	// The CA of this test still takes the certificate of the old root.
	ca.bundles.push(oldPki.bundle);
	await ca.use(newPki);
	await renew(directory, never, deps);
	await follow(never);
	t.deepEqual(published(), newPki.bundle);
	t.is(ca.acknowledged.at(-1), hex(newPki.bundle));
});

test('while instances do not agree on the bundle, the one in use stays', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { follow, published } = await agent(t, ca);
	// The one that was told of the bundle has another, the one that is asked for it has not, and so on.
	ca.faults['bundle/acknowledge'].push({ kind: 'body', body: JSON.stringify({ digest: hex(both), renew: false }) });
	ca.faults.roots.push({ kind: 'body', body: both.toString() });
	await follow(never);
	t.deepEqual(published(), oldPki.bundle);
});

test('what another process published during the look is not undone', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { follow, directory, deps, published } = await agent(t, ca);
	ca.publish(both);
	const before = readIdentity(directory)!;
	let looks = 0;
	const changedBundle: typeof deps.ca.changedBundle = async (bundle, signal) => {
		const changed = await deps.ca.changedBundle(bundle, signal);
		if (++looks === 2) await renew(directory, signal, deps);
		return changed;
	};
	await createBundleFollower(directory, { ...deps, ca: { ...deps.ca, changedBundle } })(never);
	t.not(readIdentity(directory)!.leaf.serial, before.leaf.serial);
	t.deepEqual(published(), both);
	await follow(never);
	t.deepEqual(published(), both);
});

test('a renewal does not take back the bundle that was published while its certificate was made and tried', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { directory, deps, published } = await agent(t, ca);
	const renewal: typeof deps.ca.renew = async (...input) => {
		const issued = await deps.ca.renew(...input);
		// Another process follows the bundle, after the renewal has read which one is in use.
		setImmediate(() => publish(directory, { ...readIdentity(directory)!, bundle: both }));
		return issued;
	};
	const { leaf } = await renew(directory, never, { ...deps, ca: { renew: renewal } });
	t.deepEqual(published(), both);
	t.is(readIdentity(directory)!.leaf.serial, leaf.serial);
});

test('an agent that runs looks by itself, and a CA that is away is no reason to complain', async (t) => {
	const ca = await FakeCa.start(t, oldPki);
	const { directory, deps, logged, published } = await agent(t, ca);
	ca.faults['bundle/acknowledge'].push({ kind: 'lost-answer' });
	const stop = new AbortController();
	let now = Date.now();
	const slept: number[] = [];
	const sleep = async (milliseconds: number, signal: AbortSignal) => {
		if (published().equals(both)) stop.abort(new Error('enough'));
		if (signal.aborted) throw signal.reason;
		slept.push(milliseconds);
		now += milliseconds;
	};
	ca.publish(both);
	const loop = { ...deps, clock: { now: () => new Date(now) }, random: () => 0.5, sleep, bundleCheckSeconds: 40, watchDemands: fakeDemands };
	await t.throwsAsync(keepRenewed(directory, stop.signal, loop), { message: 'enough' });
	t.deepEqual(slept, [30_000, 30_000]);
	t.deepEqual(logged.map(({ level }) => level), ['info', 'info']);
	t.is(ca.count('renew'), 0);
});

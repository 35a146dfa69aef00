/** Agent, plugin and command go with a real CA through the stages of a rotation, and back. */

import test, { type ExecutionContext } from 'ava';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BirthmarkError } from '#common/protocol/errors.ts';
import type { RotationStatus } from '#common/protocol/messages.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { createFailOver } from '#common/runtime/fail-over.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { createCaClient as createAgentClient } from '../../agent/ca-client.ts';
import { enrol } from '../../agent/enrol.ts';
import { createBundleFollower as followAsAgent } from '../../agent/follow-bundle.ts';
import { renew } from '../../agent/renew.ts';
import { systemSleep } from '../../agent/sleep.ts';
import { readIdentity } from '../../agent/store.ts';
import { createFollowingCaClient } from '../../cli/follow-bundle.ts';
import { loadProfile, saveProfile, type TlsProfile } from '../../cli/profile.ts';
import { createCaClient as createPluginClient } from '../../plugin/ca-client.ts';
import { createBundleFollower as followAsNode } from '../../plugin/follow-bundle.ts';
import { joinCa } from '../../plugin/join.ts';
import { createNodeIdentityStore } from '../../plugin/node-identity.ts';
import { tmpfsDirectory } from '../fakes/tmpfs.ts';
import { newContainerId, newKey, startCa, temporaryFolder } from '../support/ca.ts';

const never = new AbortController().signal;
const names = { commonName: 'api01', organizationalUnit: 'web-api', dnsNames: [], image: 'app:1' };

/** A CA, a node that joined it, a container on that, and an operator. */
async function world(t: ExecutionContext) {
	const ca = await startCa(t, { config: { rotation: { settleSeconds: 0 } } });
	const instances = createFailOver([ca.url]);
	const store = createNodeIdentityStore(temporaryFolder(t));
	await joinCa(store, instances, await ca.joinToken({ role: 'node', allow: ['*/*'] }), 'host1');
	const node = createPluginClient({ instances, credentials: store.current, clock: systemClock });
	t.teardown(() => node.close());

	const directory = tmpfsDirectory(t);
	const deps = { ca: createAgentClient([{ host: '127.0.0.1', port: ca.port }]), clock: systemClock, random: Math.random, sleep: systemSleep, logger: silentLogger };
	const begin = async (into: string, betweenBundleAndCertificate = async () => {}) => {
		const fetchBundle: typeof deps.ca.fetchBundle = async (...asked) => {
			const fetched = await deps.ca.fetchBundle(...asked);
			await betweenBundleAndCertificate();
			return fetched;
		};

		const { id } = await node.authorize({ ...names, containerId: newContainerId() });
		writeFileSync(join(into, 'token'), (await node.mintToken(id!, { startId: 'start' })).token);
		return enrol({ directory: into, tokenPath: join(into, 'token'), timeoutSeconds: 60, signal: never }, { ...deps, ca: { ...deps.ca, fetchBundle } });
	};
	await begin(directory);

	const environment = { BIRTHMARK_HOME: temporaryFolder(t) };
	const { key, cert } = await ca.join('alice', [], 'operator');
	await saveProfile({ way: 'tls', urls: [ca.url], key, certificate: cert, bundle: ca.bundle.toString() }, environment);
	const login = () => loadProfile(undefined, environment) as TlsProfile;

	const clients = {
		workload: followAsAgent(directory, deps),
		node: followAsNode({ store, ca: node, logger: silentLogger }),
		operator: async () => void (await createFollowingCaClient(login(), { environment, warn: (sentence) => t.fail(sentence) }).call('GET', '/v1/whoami')),
	};
	return {
		ca, clients, begin,
		renew: () => renew(directory, never, deps),
		renewNode: async () => {
			const fresh = newKey();
			await store.save({ ...store.current()!, key: fresh.pem, certificate: await node.renew(fresh.csr()) });
		},
		follow: async () => {
			await clients.workload(never);
			await clients.node();
			await clients.operator();
		},
		bundles: () => [readIdentity(directory)!.bundle.toString(), store.current()!.bundle, login().bundle],
		chain: () => readIdentity(directory)!.chain,
		rotation: async () => (await ca.admin('GET', '/v1/rotation')).json<RotationStatus>(),
		step: async (path: string, body: object = {}) => {
			const { status, text } = await ca.admin('POST', `/v1/rotation${path}`, body);
			t.is(status, 200, text);
			await ca.lookAfter();
		},
	};
}

const rootsOf = (bundle: string): number => bundle.split('-----BEGIN').length - 1;

test('everybody follows, one after the other, and the CA waits for each', async (t) => {
	const { ca, clients, follow, renew, renewNode, begin, bundles, chain, rotation, step } = await world(t);
	const [old] = bundles();
	await step('', { changes: 'root' });
	for (const client of ['workload', 'node', 'operator'] as const) {
		t.like(await rotation(), { stage: 'prepared' });
		t.true((await rotation()).withoutBundle!.first.some(({ role }) => role === client), client);
		await clients[client](never);
		t.false((await rotation()).withoutBundle?.first.some(({ role }) => role === client) ?? false, client);
		await ca.lookAfter();
	}
	t.like(await rotation(), { stage: 'retiring' });
	for (const bundle of bundles()) t.is(rootsOf(bundle), 2);

	t.true(await clients.workload(never));
	await renew();
	t.is(rootsOf(chain()), 3);
	t.true(await clients.node());
	await renewNode();
	await clients.operator();
	t.false(await clients.workload(never));
	t.false(await clients.node());
	const born = await begin(tmpfsDirectory(t));
	t.is(rootsOf(born.bundle.toString()), 2);

	// Certificates of containers under the old root live on, and the test has not the time to wait for their end.
	await step('/finish', { force: true });
	t.like(await rotation(), { stage: 'idle' });
	await follow();
	const digest = (await rotation()).digest;
	for (const bundle of bundles()) {
		t.is(rootsOf(bundle), 1);
		t.not(bundle, old!);
		t.is(bundleDigest(bundle).toString('hex'), digest);
	}
	t.not((await renew()).leaf.serial, born.leaf.serial);
	await begin(tmpfsDirectory(t));
	await clients.operator();
});

test('a rotation that begins or ends while a container enrols is followed like any', async (t) => {
	const { ca, clients, begin, step } = await world(t);
	const [first, second] = [tmpfsDirectory(t), tmpfsDirectory(t)];
	t.is(rootsOf((await begin(first, () => step('', { changes: 'root' }))).bundle.toString()), 1, 'the bundle that its token pins');
	const follow = (directory: string) => followAsAgent(directory, { ca: createAgentClient([{ host: '127.0.0.1', port: ca.port }]), logger: silentLogger })(never);
	await follow(first);
	t.is(rootsOf(readIdentity(first)!.bundle.toString()), 2);
	await clients.node();
	await step('/activate', { force: true });
	t.is(rootsOf((await begin(second, () => step('/finish', { force: true }))).bundle.toString()), 2);
	await follow(second);
	t.is(rootsOf(readIdentity(second)!.bundle.toString()), 1);
});

test('a root that is replaced at once while a container enrols costs that start, and its token is shown to nobody', async (t) => {
	const { begin, step } = await world(t);
	const directory = tmpfsDirectory(t);
	const error = await t.throwsAsync(begin(directory, () => step('', { changes: 'root', isCompromised: true })), { message: /root has just been replaced, restart the container/ });
	t.is((error as BirthmarkError).code, 'ca-protocol');
	t.is(readIdentity(directory), undefined);
	t.true(existsSync(join(directory, 'token')));
});

test('a rotation that is aborted leaves everybody where they were', async (t) => {
	const { clients, follow, renew, bundles, rotation, step } = await world(t);
	const [old] = bundles();
	await step('', { changes: 'root', isManual: true });
	await follow();
	for (const bundle of bundles()) t.is(rootsOf(bundle), 2);
	await step('/abort');
	t.like(await rotation(), { stage: 'idle' });
	await follow();
	for (const bundle of bundles()) t.is(bundle, old!);
	await renew();
	t.false(await clients.workload(never));
});

test('one that is taken back after everything was issued under the new root too', async (t) => {
	const { clients, follow, renew, renewNode, bundles, rotation, step } = await world(t);
	const [old] = bundles();
	await step('', { changes: 'root', isManual: true });
	await follow();
	await step('/activate');
	await renew();
	await renewNode();
	await step('/abort');
	t.like(await rotation(), { stage: 'retiring' });
	t.true(await clients.workload(never));
	t.true(await clients.node());
	await renew();
	await renewNode();
	await step('/finish', { force: true });
	await follow();
	for (const bundle of bundles()) t.is(bundle, old!);
	await renew();
});

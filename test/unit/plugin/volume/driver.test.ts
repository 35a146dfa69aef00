import test, { type ExecutionContext } from 'ava';
import type { PluginStatus } from '#common/protocol/plugin-status.ts';
import { createVolumeDriver } from '../../../../plugin/volume/driver.ts';
import { identityRecord } from '../../../fakes/identity-record.ts';

const VOLUME = 'a'.repeat(64);
const CONTAINER = 'c'.repeat(64);
const SENTINEL = 'birthmark-sentinel';
const status: PluginStatus = { version: '1', seen: true, inChain: true, joined: true, node: 'host1', nodeCertificateExpires: null, bundleDigest: null, ca: 'reachable', clockSkewSeconds: 0, pendingRevocations: 0, policy: 'none', tmpfs: 'ok', noswap: true };

function world(_: ExecutionContext) {
	const names = new Set<string>();
	const mounted = new Set<string>();
	const driver = createVolumeDriver({
		records: { addVolume: (name) => void names.add(name), hasVolume: (name) => names.has(name), identity: (name) => (name === CONTAINER ? identityRecord({ volume: CONTAINER, delivery: 'runtime' }) : undefined), volumes: () => [...names], removeVolume: (name) => void names.delete(name) },
		volumes: {
			mount: async (volume) => `/data/volumes/${mounted.add(volume) && volume}`,
			unmount: async (volume) => void mounted.delete(volume),
			remove: async (volume) => void names.delete(volume),
			isMounted: (volume) => mounted.has(volume),
		},
		path: (volume) => `/data/volumes/${volume}`,
		status: () => status,
	});
	return (method: string, request: object = {}) => driver[`VolumeDriver.${method}`]!(request);
}

test('a volume is made, seen, mounted, unmounted and removed', async (t) => {
	const call = world(t);
	await t.throwsAsync(call('Get', { Name: VOLUME }), { code: 'volume-unknown' });
	t.deepEqual(await call('Create', { Name: VOLUME, Opts: null }), {});
	t.deepEqual(await call('Get', { Name: VOLUME }), { Volume: { Name: VOLUME, Mountpoint: '', Status: {} } });
	t.deepEqual(await call('Mount', { Name: VOLUME, ID: 'm1' }), { Mountpoint: `/data/volumes/${VOLUME}` });
	t.deepEqual(await call('Path', { Name: VOLUME }), { Mountpoint: `/data/volumes/${VOLUME}` });
	t.deepEqual(await call('List'), { Volumes: [{ Name: VOLUME, Mountpoint: `/data/volumes/${VOLUME}` }] });
	t.deepEqual(await call('Unmount', { Name: VOLUME, ID: 'm1' }), {});
	t.deepEqual(await call('Path', { Name: VOLUME }), { Mountpoint: '' });
	t.deepEqual(await call('Remove', { Name: VOLUME }), {});
	t.deepEqual(await call('List'), { Volumes: [] });
});

test('volumes are of one host', async (t) => {
	t.deepEqual(await world(t)('Capabilities'), { Capabilities: { Scope: 'local' } });
});

test('the sentinel tells about the plugin and is not mounted', async (t) => {
	const call = world(t);
	await call('Create', { Name: SENTINEL });
	t.deepEqual(await call('Get', { Name: SENTINEL }), { Volume: { Name: SENTINEL, Mountpoint: '', Status: status } });
	await t.throwsAsync(call('Mount', { Name: SENTINEL, ID: 'm1' }), { code: 'mount-illegal' });
});

for (const [what, method, request, code] of [
	['a name too long for a socket below it', 'Create', { Name: 'x'.repeat(65) }, 'mount-illegal'],
	['the id of a container that has an identity without a volume', 'Create', { Name: CONTAINER }, 'mount-illegal'],
	['a dot for a name', 'Create', { Name: '..' }, 'mount-illegal'],
	['a path for a name', 'Create', { Name: '../state' }, 'mount-illegal'],
	['options', 'Create', { Name: VOLUME, Opts: { size: '1g' } }, 'mount-illegal'],
	['a call without a name', 'Get', {}, 'request-malformed'],
	['a name that is no string', 'Create', { Name: 7 }, 'request-malformed'],
	['a mount of a volume that was never made', 'Mount', { Name: VOLUME, ID: 'm1' }, 'volume-unknown'],
	['an unmount without an id', 'Unmount', { Name: VOLUME }, 'request-malformed'],
] as const) {
	test(`refuses ${what}`, async (t) => {
		await t.throwsAsync(world(t)(method, request), { code });
	});
}

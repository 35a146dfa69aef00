import test from 'ava';
import { silentLogger } from '#common/runtime/log.ts';
import type { IdentityRecord } from '../../../plugin/records.ts';
import { forgetServices, removeUnused, sweepOnce } from '../../../plugin/sweep.ts';
import { identityRecord } from '../../fakes/identity-record.ts';
import { engineContainer, FakeEngine } from '../../fakes/plugin-engine.ts';

const CONTAINER = 'c'.repeat(64);
const VOLUME = 'a'.repeat(64);
const identity = identityRecord({ volume: VOLUME, containerId: CONTAINER, startId: 'start-1' });

function world(identities: IdentityRecord[], outlived = true) {
	const engine = new FakeEngine();
	const done: string[] = [];
	const volumeNames: string[] = [];
	const services = { ids: (): string[] => [], remove: (id: string) => void done.push(`service ${id}`) };
	const volumes = {
		forget: async (volume: string, containerId: string) => void done.push(`forget ${volume.slice(0, 2)} ${containerId.slice(0, 2)}`),
		endStart: async (_: string, startId: string) => void done.push(`end ${startId}`),
		mayHaveEnded: () => outlived,
	};
	const clock = { now: 0 };
	const deps = { records: { identities: () => identities, volumes: () => volumeNames, services }, engine, volumes, now: () => clock.now, logger: silentLogger };
	return { engine, done, volumeNames, services, clock, suspects: new Map<string, number>(), deps };
}

test('a container that is gone is ended, its volume removed', async (t) => {
	const { engine, done, deps } = world([identity]);
	await sweepOnce(deps, new Map());
	t.deepEqual(done, ['forget aa cc']);
	t.deepEqual(engine.removedVolumes, [VOLUME]);
});

test('where the runtime hands identities over there is no volume to remove', async (t) => {
	const { engine, done, deps } = world([{ ...identity, volume: CONTAINER, delivery: 'runtime' }]);
	await sweepOnce(deps, new Map());
	t.deepEqual(done, ['forget cc cc']);
	t.deepEqual(engine.removedVolumes, []);
});

test('a volume that a person named outlives its container', async (t) => {
	const { engine, done, deps } = world([{ ...identity, volume: 'project_identity' }]);
	await sweepOnce(deps, new Map());
	t.deepEqual(done, ['forget pr cc']);
	t.deepEqual(engine.removedVolumes, []);
});

for (const State of ['running', 'paused', 'restarting']) {
	test(`a container that is ${State} is left alone`, async (t) => {
		const { engine, done, deps } = world([identity]);
		engine.list.push(engineContainer({ Id: CONTAINER, State }));
		await sweepOnce(deps, new Map());
		t.deepEqual(done, []);
	});
}

for (const State of ['exited', 'dead', 'created']) {
	test(`a container that is ${State} since before the plugin started loses its start, not its authorization`, async (t) => {
		const { engine, done, deps, clock, suspects } = world([identity]);
		engine.list.push(engineContainer({ Id: CONTAINER, State }));
		await sweepOnce(deps, suspects);
		t.deepEqual(done, [], 'it may be about to run');
		clock.now += 5000;
		await sweepOnce(deps, suspects);
		t.deepEqual(done, ['end start-1']);
		t.deepEqual(engine.removedVolumes, []);
	});
}

test('a container that was being started when the plugin crashed, and runs at the next look, keeps its identity', async (t) => {
	const { engine, done, deps, clock, suspects } = world([identity]);
	for (const State of ['created', 'running', 'created']) {
		engine.list.splice(0, 1, engineContainer({ Id: CONTAINER, State }));
		await sweepOnce(deps, suspects);
		clock.now += 5000;
	}
	t.deepEqual(done, []);
});

test('a container that is being started now is left alone', async (t) => {
	const { engine, done, deps } = world([identity], false);
	engine.list.push(engineContainer({ Id: CONTAINER, State: 'exited' }));
	await sweepOnce(deps, new Map());
	t.deepEqual(done, []);
});

test('a container that is born during the sweep is left alone', async (t) => {
	const identities: IdentityRecord[] = [identity];
	const { engine, done, deps } = world(identities);
	engine.list.push(engineContainer({ Id: CONTAINER }));
	const list = engine.containers.bind(engine);
	const before = [...identities];
	const records = { ...deps.records, identities: () => before.slice() };
	engine.containers = async (filters) => {
		const containers = await list(filters);
		before.push({ ...identity, containerId: 'd'.repeat(64), volume: 'b'.repeat(64) });
		return containers;
	};
	await sweepOnce({ ...deps, records }, new Map());
	t.deepEqual(done, []);
});

test('a volume that cannot be removed does not keep the others from being swept', async (t) => {
	const { engine, done, deps } = world([identity, { ...identity, volume: 'b'.repeat(64), containerId: 'd'.repeat(64) }]);
	engine.removeVolume = () => Promise.reject(new Error('busy'));
	await sweepOnce(deps, new Map());
	t.deepEqual(done, ['forget aa cc', 'forget bb dd']);
});

test('without identities the engine is not asked', async (t) => {
	const { engine, deps } = world([]);
	engine.containers = () => Promise.reject(new Error('asked'));
	await t.notThrowsAsync(sweepOnce(deps, new Map()));
});

test('one that cannot be cleaned away does not keep the others', async (t) => {
	const { done, deps } = world([identity, { ...identity, volume: 'b'.repeat(64), containerId: 'd'.repeat(64) }]);
	const { forget } = deps.volumes;
	deps.volumes.forget = async (volume, containerId) => {
		if (volume === VOLUME) throw new Error('busy');
		await forget(volume, containerId);
	};
	await sweepOnce(deps, new Map());
	t.deepEqual(done, ['forget bb dd']);
});

test('a service that the engine no longer has is forgotten, unless the engine cannot tell', async (t) => {
	const { engine, done, services, deps } = world([]);
	services.ids = () => ['service1', 'service2'];
	engine.services.push({ ID: 'service2', name: 'api' });
	await forgetServices(deps);
	t.deepEqual(done, ['service service1']);
	engine.serviceIds = async () => undefined;
	await forgetServices(deps);
	t.is(done.length, 1);
});

test('volumes without a name that nobody has for a minute are removed; those of people, of containers and of identities are not', async (t) => {
	const [ofNobody, ofContainer] = ['b'.repeat(64), 'd'.repeat(64)];
	const { engine, volumeNames, deps } = world([identity]);
	volumeNames.push(VOLUME, ofNobody, ofContainer, 'project_identity');
	engine.list.push(engineContainer({ Id: 'e'.repeat(64), Mounts: [{ Type: 'volume', Name: ofContainer, Destination: '/x' }] }));
	const first = await removeUnused(deps, new Map(), 1_000);
	t.deepEqual([...first], [[ofNobody, 1_000]]);
	const second = await removeUnused(deps, first, 60_999);
	t.deepEqual(engine.removedVolumes, []);
	await removeUnused(deps, second, 61_000);
	t.deepEqual(engine.removedVolumes, [ofNobody]);
});

/**
 * The plugin dies at each step of a container's life. Whatever the engine answered then: it can be done
 * again, the container has one identity, and at the end nothing is left, here or at the CA.
 */

import test from 'ava';
import type Docker from 'dockerode';
import { auditEvents } from '../../support/audit.ts';
import { makeFaulty, type FaultyPlugin } from '../../support/faulty-plugin.ts';
import { mountsOf } from '../../support/processes.ts';
import { DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };
/** `make soak` takes every step; here are those at which something is half-done. */
const EVERY = process.env['BIRTHMARK_SOAK_FAULTS'] !== undefined;

type Act = 'create' | 'start' | 'stop' | 'remove';
interface Step {
	readonly at: string;
	readonly time?: number;
	/** only in a soak */
	readonly rare?: true;
}

const STEPS: Readonly<Record<Act, readonly Step[]>> = {
	create: [
		{ at: 'before POST /v1/authorize', rare: true },
		{ at: 'after POST /v1/authorize', rare: true },
		{ at: 'before answer /VolumeDriver.Create', rare: true },
		{ at: 'before INSERT OR REPLACE INTO births', rare: true },
		{ at: 'before POST /v1/authorize', time: 2, rare: true },
		{ at: 'after POST /v1/authorize', time: 2 },
		{ at: 'after INSERT INTO identities', rare: true },
	],
	start: [
		{ at: 'before INSERT INTO mounts', rare: true },
		{ at: 'after UPDATE identities SET start_id = ?', rare: true },
		{ at: 'before POST /v1/authorizations/ID/tokens', rare: true },
		{ at: 'after POST /v1/authorizations/ID/tokens', rare: true },
		{ at: 'before mkdir', rare: true },
		{ at: 'before mkdir', time: 2, rare: true },
		// one of the two mounts is there
		{ at: 'before mkdir', time: 3 },
		{ at: 'before rename token', rare: true },
		{ at: 'before answer /VolumeDriver.Mount' },
		{ at: 'after answer /VolumeDriver.Mount' },
	],
	stop: [
		{ at: 'before UPDATE mounts SET holds', rare: true },
		{ at: 'after UPDATE identities SET start_id = NULL', rare: true },
		{ at: 'before rmdir', rare: true },
		{ at: 'before answer /VolumeDriver.Unmount' },
		{ at: 'before POST /v1/revoke', rare: true },
		{ at: 'after POST /v1/revoke' },
	],
	remove: [
		{ at: 'after DELETE FROM identities', rare: true },
		{ at: 'after DELETE /v1/authorizations/ID', rare: true },
		{ at: 'before answer /VolumeDriver.Remove', rare: true },
	],
};

test('the plugin dies at any step of create, start, stop and removal: each can be done again, and nothing is left', async (t) => {
	t.timeout(EVERY ? 1_800_000 : 600_000);
	const plugin = await makeFaulty(t, world);
	for (const [act, steps] of Object.entries(STEPS)) {
		for (const step of steps.filter(({ rare }) => EVERY || !rare)) {
			t.log(`${act}: ${step.at}${step.time ? `, time ${step.time}` : ''}`);
			await survives(plugin, act as Act, step);
		}
	}

	async function survives(faulty: FaultyPlugin, act: Act, { at, time }: Step): Promise<void> {
		const what = `${act}, ${at} (${time ?? 1})`;
		const name = world.name();
		const events = await auditEvents(world);
		const armedFor = async (candidate: Act, work: () => Promise<unknown>): Promise<void> => {
			if (candidate !== act) return void (await work());
			faulty.arm(at, time);
			await work().catch((error: { statusCode?: number }) => t.true((error.statusCode ?? 0) >= 400, `${what}: ${String(error)}`));
			await faulty.recovered();
		};

		await armedFor('create', () => world.create(t, { commonName: name, organizationalUnit: 'web-api' }, { ...SLEEP, name }));
		// Whatever became of it, `docker rm` and again.
		if (act === 'create') {
			await world.docker.getContainer(name).remove({ force: true, v: true }).catch((error: { statusCode?: number }) => t.is(error.statusCode, 404, what));
			await world.create(t, { commonName: name, organizationalUnit: 'web-api' }, { ...SLEEP, name });
		}
		const container = world.docker.getContainer(name);
		const { Id, Mounts } = await container.inspect();
		const volume = Mounts.find(({ Destination }) => Destination === DIRECTORY)!.Name!;

		await armedFor('start', () => container.start());
		if (!(await isRunning(container))) await container.start();
		const mine = async () => (await world.identities(true)).filter(({ containerId }) => containerId === Id);
		await eventually(`${what}: it has one identity`, async () => {
			const statuses = (await mine()).map(({ status }) => status);
			return statuses.filter((status) => status === 'live').length === 1 && (await world.status())?.pendingRevocations === 0;
		});
		t.true(await isRunning(container), what);

		await armedFor('stop', () => container.stop({ t: 0 }));
		await container.stop({ t: 0 }).catch((error: { statusCode?: number }) => t.is(error.statusCode, 304, what));
		await eventually(`${what}: its identity died`, async () => (await mine()).every(({ status }) => status === 'revoked'));
		await eventually(`${what}: nothing is mounted`, async () => mountsOf(volume).length === 0);

		await container.start();
		await armedFor('remove', () => container.remove({ force: true, v: true }));
		await container.remove({ force: true, v: true }).catch((error: { statusCode?: number }) => t.is(error.statusCode, 404, what));
		await eventually(`${what}: everything was told`, async () => {
			const log = await events();
			const of = (action: string): string[] => log.filter((event) => event.action === action).map(({ subject }) => subject).sort();
			const made = log.filter(({ action, details }) => action === 'authorization.create' && details?.['node'] === 'test-host').map(({ subject }) => subject).sort();
			return made.length > 0 && made.every((id) => of('authorization.end').includes(id)) && (await world.status())?.pendingRevocations === 0;
		});
		await eventually(`${what}: the volume is gone`, async () => !(await world.docker.listVolumes()).Volumes.some(({ Name }) => Name === volume));
		t.deepEqual(mountsOf(volume), [], what);
		t.true((await mine()).every(({ status }) => status === 'revoked'), what);
		const starts = (await events()).filter(({ action }) => action === 'certificate.revoke').map(({ details }) => details?.['startId']);
		t.is(new Set(starts).size, starts.length, `${what}: each start was reported over once`);
	}
});

async function isRunning(container: Docker.Container): Promise<boolean> {
	return (await container.inspect()).State.Running;
}

/**
 * The power fails while containers run: no process, no mount and nothing in /run is left. When the host
 * is back, what the engine starts again is born again, and whatever ran before is revoked.
 */

import test from 'ava';
import { loseEngine, startEngine, stopEngine } from '../../../scripts/private-engine.ts';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { Steps } from '../../../scripts/steps.ts';
import { auditEvents } from '../../support/audit.ts';
import { reloadInChain } from '../../support/chain.ts';
import { mountsOf, pluginProcess } from '../../support/processes.ts';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const steps = new Steps(`${world.state}/logs/host-reboot.log`);
const program = (policy: string) => ({ Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'], HostConfig: { RestartPolicy: { Name: policy } } });
const revoked = async (serial: string): Promise<boolean> => (await world.identities(true)).some((identity) => identity.serial === serial && identity.status === 'revoked');

async function start(t: Parameters<typeof world.start>[0], policy: string) {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, program(policy));
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	const volume = (await container.inspect()).Mounts.find(({ Destination }) => Destination === DIRECTORY)!.Name!;
	return { name, container, serial, volume };
}

test.serial('after a loss of power what starts again is born again, and everything that ran is revoked once', async (t) => {
	const always = await start(t, 'always');
	const never = await start(t, 'no');
	const events = await auditEvents(world);

	await loseEngine(steps, world.paths);
	t.deepEqual(mountsOf(never.volume), []);
	await startEngine(steps, world.paths);
	await waitUntilEnforced(world.host);

	const born = await eventually('it is born again', async () => {
		const identity = await world.identity(always.name);
		return identity !== undefined && identity.serial !== always.serial && identity;
	});
	for (const { serial } of [always, never]) await eventually('what ran before is revoked', () => revoked(serial));
	t.is(await world.identity(never.name), undefined);
	t.deepEqual(mountsOf(never.volume), []);
	const told = (await events()).filter(({ action, subject }) => action === 'certificate.revoke' && subject === born.authorizationId);
	t.is(new Set(told.map(({ details }) => details?.['startId'])).size, told.length, 'each start was reported over once');
	await never.container.start();
	t.not((await eventually('it is born again', () => world.identity(never.name))).serial, never.serial);
});

test.serial('containers that outlive a stop of the engine (live-restore) keep their identity, renew, and die when they are stopped', async (t) => {
	const liveRestore = async (isWanted: boolean): Promise<void> => {
		await reloadInChain(world, { 'live-restore': isWanted });
		await eventually('the engine has read it', async () => ((await world.docker.info()) as { LiveRestoreEnabled: boolean }).LiveRestoreEnabled === isWanted);
	};
	t.teardown(() => liveRestore(false));
	await liveRestore(true);
	const { name, container, serial, volume } = await start(t, 'no');
	const mounts = mountsOf(volume).length;

	await stopEngine(world.paths);
	t.not(pluginProcess(world.paths, { mayBeMissing: true }), 0, 'the plugin runs on');
	await startEngine(steps, world.paths);
	await waitUntilEnforced(world.host);

	t.true((await container.inspect()).State.Running);
	t.is((await world.identity(name))?.serial, serial);
	t.is(mountsOf(volume).length, mounts);
	const renewed = await world.exec(container, [AGENT, 'renew']);
	t.is(renewed.code, 0, renewed.stderr);
	t.is((await world.identity(name))?.renewals, 1);
	await container.stop({ t: 1 });
	await eventually('the identity died', async () => (await world.identity(name)) === undefined);
	await eventually('nothing is mounted', async () => mountsOf(volume).length === 0);
	await container.start();
	t.not((await eventually('it is born again', () => world.identity(name))).serial, serial);
});

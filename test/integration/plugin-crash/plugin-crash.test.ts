/** The plugin may die at any moment: it comes back, and what it knew it still knows. */

import test from 'ava';
import { reloadEngine } from '../../../scripts/private-engine.ts';
import { until, waitUntilEnforced } from '../../../scripts/set-up.ts';
import { backIntoChain } from '../../support/chain.ts';
import { pluginProcess } from '../../support/processes.ts';
import { AGENT, eventually, openWorld, type World } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };

/** Kills the plugin as the kernel would, and waits until the engine has started it again and it has proof. */
async function crash(opened: World, meanwhile: () => Promise<unknown> = async () => {}): Promise<void> {
	const pid = pluginProcess(opened.paths);
	process.kill(pid, 'SIGKILL');
	await meanwhile();
	await until(async () => pluginProcess(opened.paths, { mayBeMissing: true }) !== pid && pluginProcess(opened.paths, { mayBeMissing: true }) !== 0, 30, 'the engine does not start the plugin again', 'see its log');
	await waitUntilEnforced(opened.host);
}

test('a running container keeps its identity through a crash of the plugin, can still renew, and hears of a renewal that was demanded meanwhile', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	await crash(world);
	t.is((await world.identity(name))?.serial, serial, 'nothing was revoked');
	const renewed = await world.exec(container, [AGENT, 'renew']);
	t.is(renewed.code, 0, renewed.stderr);
	t.is((await world.identity(name))?.renewals, 1);
	await crash(world, async () => t.is((await world.birthmark(['rotate', '--cn', name, '--no-wait'])).code, 0));
	await eventually('it has renewed', async () => (await world.identity(name))?.renewals === 2);
});

test('a container that was created before a crash starts after it', async (t) => {
	const name = world.name();
	const container = await world.create(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	await crash(world);
	await container.start();
	t.truthy(await eventually('the identity is live', () => world.identity(name)));
});

test('the death of a container is reported although the plugin crashed in its life', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	await crash(world);
	await container.stop({ t: 1 });
	t.truthy(await eventually('it is revoked', async () => (await world.identities(true)).find((identity) => identity.serial === serial && identity.status === 'revoked')));
});

test('after a forced disable and enable the plugin is out of the chain: it mints nothing, says so, and recovers when the engine reloads', async (t) => {
	const name = world.name();
	const running = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	const created = await world.create(t, { commonName: world.name(), organizationalUnit: 'web-api' }, SLEEP);
	t.teardown(() => backIntoChain(world));

	const unforced = await world.cli(['plugin', 'disable', world.plugin]);
	t.not(unforced.code, 0, 'the sentinel volume keeps it from being disabled by mistake');
	for (const args of [['disable', '--force'], ['enable']]) {
		const ran = await world.cli(['plugin', ...args, world.plugin]);
		t.is(ran.code, 0, ran.stderr);
	}
	await eventually('it has noticed', async () => (await world.status())?.inChain === false);
	const refusal = await t.throwsAsync(created.start());
	t.regex(refusal.message, /\[enforcement-missing\]/);
	const doctor = await world.birthmark(['doctor']);
	t.is(doctor.code, 3);
	t.regex(doctor.stdout, /FAIL\s+enforcement/);

	reloadEngine(world.paths);
	await waitUntilEnforced(world.host);
	await created.start();
	t.is((await world.identity(name))?.serial, serial, 'the running container kept its identity');
	const renewed = await world.exec(running, [AGENT, 'renew']);
	t.is(renewed.code, 0, renewed.stderr);
	t.is((await world.birthmark(['doctor'])).code, 0);
});

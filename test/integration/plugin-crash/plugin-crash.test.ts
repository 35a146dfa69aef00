/** The plugin may die at any moment: it comes back, and what it knew it still knows. */

import test from 'ava';
import { reloadEngine } from '../../../scripts/private-engine.ts';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { backIntoChain } from '../../support/chain.ts';
import { crashPlugin } from '../../support/plugin-crash.ts';
import { AGENT, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };

test('a running container keeps its identity through a crash of the plugin, can still renew, and hears of a renewal that was demanded meanwhile', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	await crashPlugin(world);
	t.is((await world.identity(name))?.serial, serial, 'nothing was revoked');
	const renewed = await world.exec(container, [AGENT, 'renew']);
	t.is(renewed.code, 0, renewed.stderr);
	t.is((await world.identity(name))?.renewals, 1);
	await crashPlugin(world, async () => t.is((await world.birthmark(['rotate', '--cn', name, '--no-wait'])).code, 0));
	await eventually('it has renewed', async () => (await world.identity(name))?.renewals === 2);
});

test('a container that was created before a crash starts after it', async (t) => {
	const name = world.name();
	const container = await world.create(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	await crashPlugin(world);
	await container.start();
	t.truthy(await eventually('the identity is live', () => world.identity(name)));
});

test('the death of a container is reported although the plugin crashed in its life', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	await crashPlugin(world);
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

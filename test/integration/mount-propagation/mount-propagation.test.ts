/** What the plugin mounts must reach containers; where an engine has cut it off, it is started again (docs/adr/0023). */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { crashPlugin, successorOf } from '../../support/plugin-crash.ts';
import { pluginProcess } from '../../support/processes.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();

test('a plugin whose mounts an engine has cut off from containers is started again, and gives identities', async (t) => {
	const { Id: id } = (await world.docker.getPlugin(world.plugin, world.plugin).inspect()) as unknown as { Id: string };
	// Only a plugin that was just started looks.
	await crashPlugin(world);
	const cutOff = pluginProcess(world.paths);
	// Engines that are started after a crash sometimes leave it like this.
	const directory = join(world.paths.data, 'plugins', id, 'propagated-mount');
	for (const [command, ...args] of [['mount', '--bind', directory, directory], ['mount', '--make-private', directory]]) t.is(spawnSync(command!, args).status, 0);
	await successorOf(world, cutOff);
	await waitUntilEnforced(world.host);
	const name = world.name();
	await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	t.truthy(await eventually('the identity is live', () => world.identity(name)));
});

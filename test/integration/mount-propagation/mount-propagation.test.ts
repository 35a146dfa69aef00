/** What the plugin mounts must reach containers; where an engine has cut it off, it is started again (docs/adr/0023). */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { pluginProcess } from '../../support/processes.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();

/** Waits until the engine has started the plugin again. */
async function successorOf(pid: number): Promise<number> {
	const successor = await eventually('the plugin is another process', async () => {
		const found = pluginProcess(world.paths, { mayBeMissing: true });
		return found !== 0 && found !== pid && found;
	}, 60);
	await waitUntilEnforced(world.host, 60);
	return successor;
}

test('a plugin whose mounts an engine has cut off from containers is started again, and gives identities', async (t) => {
	const { Id: id } = (await world.docker.getPlugin(world.plugin, world.plugin).inspect()) as unknown as { Id: string };
	const first = pluginProcess(world.paths);
	// Only a plugin that was just started looks.
	process.kill(first, 'SIGKILL');
	const cutOff = await successorOf(first);
	// Engines that are started after a crash sometimes leave it like this.
	const directory = join(world.paths.data, 'plugins', id, 'propagated-mount');
	for (const [command, ...args] of [['mount', '--bind', directory, directory], ['mount', '--make-private', directory]]) t.is(spawnSync(command!, args).status, 0);
	await successorOf(cutOff);
	const name = world.name();
	await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	t.truthy(await eventually('the identity is live', () => world.identity(name)));
});

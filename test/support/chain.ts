/** The plugin back in the authorization chain of the engine that all share. */

import { reloadEngine, writeDaemonJson } from '../../scripts/private-engine.ts';
import { waitUntilEnforced } from '../../scripts/set-up.ts';
import { eventually, type World } from './world.ts';

const SECONDS = 60;

/** Enables it first, whatever that takes: an engine that reloads ends when a plugin of its chain is disabled (moby, validateAuthzPlugins). */
export async function backIntoChain(world: World): Promise<void> {
	const { paths, docker, plugin, host } = world;
	const isEnabled = async (): Promise<boolean> => ((await docker.getPlugin(plugin, plugin).inspect()) as { Enabled: boolean }).Enabled;
	await eventually('the engine enables the plugin', async () => (await isEnabled()) || (await world.cli(['plugin', 'enable', plugin])).code === 0, SECONDS);
	writeDaemonJson(paths, [plugin]);
	reloadEngine(paths);
	await waitUntilEnforced(host, SECONDS);
}

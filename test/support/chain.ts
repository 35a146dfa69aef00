/** The plugin back in the authorization chain of the engine that all share. */

import { reloadEngine, writeDaemonJson, type EngineSettings } from '../../scripts/private-engine.ts';
import { waitUntilEnforced } from '../../scripts/set-up.ts';
import { eventually, type World } from './world.ts';

export async function backIntoChain(world: World): Promise<void> {
	await reloadInChain(world);
	await waitUntilEnforced(world.host);
}

/**
 * Has the engine read its settings anew. The plugin is enabled first, whatever that takes: an engine that reloads
 * ends when a plugin of its chain is disabled (moby, validateAuthzPlugins).
 */
export async function reloadInChain(world: World, settings: EngineSettings = {}): Promise<void> {
	const { paths, docker, plugin } = world;
	const isEnabled = async (): Promise<boolean> => ((await docker.getPlugin(plugin, plugin).inspect()) as { Enabled: boolean }).Enabled;
	await eventually('the engine enables the plugin', async () => (await isEnabled()) || (await world.cli(['plugin', 'enable', plugin])).code === 0);
	writeDaemonJson(paths, [plugin], settings);
	reloadEngine(paths);
}

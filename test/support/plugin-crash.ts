/** The plugin's process dies, and the engine starts another one. */

import { waitUntilEnforced } from '../../scripts/set-up.ts';
import { pluginProcess } from './processes.ts';
import { eventually, type World } from './world.ts';

type Host = Pick<World, 'paths' | 'host' | 'status'>;

/** Kills the plugin as the kernel would; not while the engine is still starting it, which would give it up for good (moby, pluginPostStart). @returns its pid */
export async function killPlugin(world: Host): Promise<number> {
	await untilSeen(world);
	const pid = pluginProcess(world.paths);
	process.kill(pid, 'SIGKILL');
	return pid;
}

/** Waits until the engine has started another one, whether or not that reaches its CA. @returns the pid of that */
export async function successorOf(world: Host, before: number): Promise<number> {
	const pid = await eventually('the engine has started the plugin again', async () => {
		const found = pluginProcess(world.paths, { mayBeMissing: true });
		return ![0, before].includes(found) && found;
	});
	await untilSeen(world);
	return pid;
}

/** Kills it, and waits until its successor has proof that the engine asks it. */
export async function crashPlugin(world: Host, meanwhile: () => Promise<unknown> = async () => {}): Promise<void> {
	const pid = await killPlugin(world);
	await meanwhile();
	await successorOf(world, pid);
	await waitUntilEnforced(world.host);
}

async function untilSeen({ status }: Pick<World, 'status'>): Promise<void> {
	await eventually('the engine has finished starting the plugin', async () => (await status())?.seen);
}

/** The plugin of the tests' engine, made to die at a chosen step: see faults.ts. */

import { copyFileSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { waitUntilEnforced } from '../../scripts/set-up.ts';
import { crashPlugin, successorOf } from './plugin-crash.ts';
import { pluginProcess } from './processes.ts';
import { eventually, type World } from './world.ts';

const FAULTS = fileURLToPath(new URL('faults.ts', import.meta.url));

export interface FaultyPlugin {
	/** It dies when it is about to do this, or has done it, for the given time from now on. */
	arm(step: string, time?: number): void;
	/** Waits until it has died at that step, was started again by the engine, and is asked again. */
	recovered(): Promise<void>;
}

/** Puts the faults before the plugin's own program; both are as they were after the test. */
export async function makeFaulty(t: ExecutionContext, world: World): Promise<FaultyPlugin> {
	const armed = join(world.paths.run, 'fault');
	const app = join(world.paths.data, 'plugins', await pluginId(world), 'rootfs/app');
	const [program, product] = [join(app, 'plugin.mjs'), join(app, 'product.mjs')];
	t.teardown(async () => {
		rmSync(armed, { force: true });
		if (!existsSync(product)) return;
		renameSync(product, program);
		await crashPlugin(world);
	});
	copyFileSync(FAULTS, join(app, 'faults.mts'));
	renameSync(program, product);
	writeFileSync(program, `import './faults.mts';\nawait import('./product.mjs');\n`);
	await crashPlugin(world);
	let pid = 0;
	return {
		arm(step, time = 1) {
			pid = pluginProcess(world.paths);
			// By rename: the plugin looks for it all the time, and must not see half of it.
			writeFileSync(`${armed}.next`, `${time} ${step}`);
			renameSync(`${armed}.next`, armed);
		},
		async recovered() {
			await eventually('the plugin has reached the step', async () => !existsSync(armed));
			await successorOf(world, pid);
			await waitUntilEnforced(world.host);
		},
	};
}

async function pluginId({ docker, plugin, paths }: World): Promise<string> {
	const { Id } = (await docker.getPlugin(plugin, plugin).inspect()) as unknown as { Id: string };
	if (!readdirSync(join(paths.data, 'plugins')).includes(Id)) throw new Error(`the files of the plugin ${Id} are not where they were expected`);
	return Id;
}

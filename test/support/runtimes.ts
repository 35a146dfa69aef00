/** Which runtimes the engine under test has, for stories that change that. */

import { join } from 'node:path';
import { RUNTIME } from '../../scripts/engine-runtime.ts';
import { reloadInChain } from './chain.ts';
import { eventually, type World } from './world.ts';

export interface Runtimes {
	readonly runtimes: Readonly<Record<string, { readonly path: string }>>;
	readonly 'default-runtime': string;
}

/** Where the program of this engine is, its settings beside it. */
export const ourRuntime = (world: World): string => join(world.state, 'runtime/birthmark-runtime');

/** As the stories find the engine. */
export const usualRuntimes = (world: World): Runtimes => ({ runtimes: { [RUNTIME]: { path: ourRuntime(world) } }, 'default-runtime': 'runc' });

/** Returns when the engine has them. */
export async function useRuntimes(world: World, settings: Runtimes): Promise<void> {
	await reloadInChain(world, { ...settings });
	const ours = Object.keys(settings.runtimes).sort().join();
	await eventually('the engine has taken up its runtimes', async () => {
		const { DefaultRuntime, Runtimes } = (await world.docker.info()) as { DefaultRuntime: string; Runtimes: Record<string, unknown> };
		// Beside those it has its own.
		return DefaultRuntime === settings['default-runtime'] && Object.keys(Runtimes).filter((name) => !/runc/.test(name)).sort().join() === ours;
	});
}

/** Everything that is built, in order. Each part is skipped when nothing that goes into it changed. */

import { join } from 'node:path';
import { buildAgent } from './build-agent.ts';
import { buildRuntime } from './build-runtime.ts';
import { buildBundles } from './bundle.ts';
import { chosenEngines, installEngine, installTools } from './engines.ts';
import { unpackMissing } from './packages.ts';
import { BUILD, TOOLS } from './paths.ts';
import { buildRootFileSystem } from './root-fs.ts';
import { runMain, Steps } from './steps.ts';
import { makeTestFiles } from './test-images.ts';
import { fetchServers } from '../test/support/server-images.ts';

/** @returns the root file system that every image and the plugin begin with */
export async function buildAll(steps: Steps): Promise<string> {
	await steps.step('Fetching an engine and tools from the distribution\'s packages', () => installTools(steps));
	for (const engine of chosenEngines()) await steps.step(`Fetching the engine ${engine}`, () => installEngine(steps, engine));
	const rootFileSystem = await steps.step('Making a base file system from the distribution\'s packages', () => buildRootFileSystem(steps));
	await steps.step('Compiling the agent and the runtime, bundling CA, plugin and command', async () => {
		await buildAgent(steps);
		await buildRuntime(steps);
		await buildBundles(steps);
	});
	return rootFileSystem;
}

/** What only the tests need: PostgreSQL, cfssl and the servers of the examples, which they start themselves (test/support), and small programs. */
export async function buildForTests(steps: Steps): Promise<void> {
	await steps.step('Fetching PostgreSQL, cfssl, nginx, HAProxy and Redis from the distribution\'s packages', async () => {
		await unpackMissing(steps, ['postgresql'], TOOLS);
		await unpackMissing(steps, ['golang-cfssl'], TOOLS);
		await fetchServers(steps);
		await makeTestFiles(steps);
	});
}

if (import.meta.main) {
	const logFile = join(BUILD, 'logs/build.log');
	runMain(async () => {
		const steps = new Steps(logFile);
		await buildAll(steps);
		await buildForTests(steps);
	}, () => logFile);
}

/**
 * Before each story: is the engine that all share as it was set up? What a story that failed left behind
 * is told with what the engine last said, and mended, so that the stories after it say what they are about.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reloadEngine, startEngine, writeDaemonJson } from '../../scripts/private-engine.ts';
import { waitUntilEnforced } from '../../scripts/set-up.ts';
import { Steps } from '../../scripts/steps.ts';
import { backIntoChain } from './chain.ts';
import { openWorld, type World } from './world.ts';

/** A plugin that has just come back has proof within a second; a machine that is busy needs longer. */
const PATIENCE_SECONDS = 30;
const LOG_LINES = 40;

/** Runs in the process of each file of stories (test/integration.config.js). */
export default async function wholeEngine(): Promise<void> {
	const world = openWorld();
	const fault = await whatIsWrong(world);
	if (fault === undefined) return;
	// The failures that a run ends with begin with this sign (scripts/failures.ts).
	process.stdout.write(`${lastLines(world.paths.log)}\n✘ the engine that the stories before left behind: ${fault}\n`);
	await mend(world);
}

async function whatIsWrong(world: World): Promise<string | undefined> {
	try {
		await waitUntilEnforced(world.host, PATIENCE_SECONDS);
		return undefined;
	} catch {
		return `${await pluginState(world)}; the plugin says ${JSON.stringify(await world.status()) ?? 'nothing'}`;
	}
}

async function pluginState({ docker, plugin, paths }: World): Promise<string> {
	try {
		const { Enabled } = await docker.getPlugin(plugin, plugin).inspect() as { Enabled: boolean };
		return `the plugin is ${Enabled ? 'enabled' : 'disabled'}`;
	} catch (error) {
		return `${(error as Error).message}, the engine's last words: ${lastWords(paths.log)}`;
	}
}

async function mend(world: World): Promise<void> {
	const { paths } = world;
	// Out of the chain at first: with a plugin that is disabled the engine does not start, and one that asks a plugin that is not there answers nothing.
	writeDaemonJson(paths, []);
	await startEngine(new Steps(join(paths.state, 'logs/mending.log')), paths);
	reloadEngine(paths);
	await world.cli(['start', world.caContainer]);
	await backIntoChain(world);
}

/** What an engine says that ends (logrus, the runtime of Go). */
function lastWords(path: string): string {
	return linesOf(path).findLast((line) => /level=fatal|^(panic|fatal error):/.test(line)) ?? 'none';
}

function lastLines(path: string): string {
	return linesOf(path).slice(-LOG_LINES).join('\n');
}

function linesOf(path: string): string[] {
	try {
		return readFileSync(path, 'utf8').trimEnd().split('\n');
	} catch {
		return [];
	}
}

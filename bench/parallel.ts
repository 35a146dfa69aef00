/**
 * Many births at the same time: 500 labelled containers are created and started, a hundred at a time,
 * get their certificates and are removed. No call may fail, and nothing may be left.
 *
 *     parallel.ts [COUNT [AT ONCE]]
 */

import { join } from 'node:path';
import { BUILD } from '../scripts/paths.ts';
import { PLUGIN } from '../scripts/plugin.ts';
import { CA_CONTAINER } from '../scripts/set-up.ts';
import { runMain, StepError, Steps } from '../scripts/steps.ts';
import { withTestEngine } from '../scripts/test-engine.ts';
import { crowd, kept, leftOver } from '../test/support/crowd.ts';
import { eventually, openWorld } from '../test/support/world.ts';

const logFile = join(BUILD, 'logs/bench.log');
const [count = 500, parallel = 100] = process.argv.slice(2).map(Number);
/** They share two cores: a token may have to wait for its container for long. */
const TOKEN_TTL_SECONDS = 600;

runMain(
	async () => {
		const steps = new Steps(logFile);
		await withTestEngine(steps, async ({ paths, caUrl, engineVersion }) => {
			const world = openWorld({ host: paths.host, state: paths.state, caUrl, caContainer: CA_CONTAINER, plugin: PLUGIN, engineVersion });
			const before = await kept(world);
			const { errors, certified } = await crowd(world, { count, parallel, seconds: TOKEN_TTL_SECONDS, step: (title, work) => steps.step(title, work) });
			let after = before;
			await steps.step('Waiting until nothing is left', () => eventually('nothing is left', async () => leftOver(before, (after = await kept(world))).length === 0, 120).catch(() => undefined));
			const left = leftOver(before, after);
			console.log(`\n${count} containers, ${parallel} calls at a time: ${certified} with a certificate, ${errors.length} errors, ${left.length} things left over`);
			console.log(`  file descriptors of the plugin   ${before.fileDescriptors} before, ${after.fileDescriptors} after`);
			console.log(`  memory of the plugin             ${mebibytes(before.memory)} before, ${mebibytes(after.memory)} after\n`);
			const faults = [...errors, ...left];
			if (certified < count || faults.length > 0) throw new StepError(`not all of it went well: ${faults.slice(0, 5).join('; ')}`, `read ${steps.logFile}`);
		}, { tokenTtlSeconds: TOKEN_TTL_SECONDS });
	},
	() => logFile,
);

function mebibytes(bytes: number): string {
	return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

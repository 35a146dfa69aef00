/** `make down`: the demo's engine with all its containers, mounts, bridges and files. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD, DEMO_STATE, enginePaths } from './paths.ts';
import { removeEngine } from './private-engine.ts';
import { removeFromForeignEngine } from './demo-engine.ts';
import { runMain, Steps } from './steps.ts';

const logFile = join(BUILD, 'logs/down.log');

runMain(
	async () => {
		const steps = new Steps(logFile);
		const foreign = process.env['BIRTHMARK_DOCKER_HOST'];
		if (foreign) return steps.step(`Removing the demo from ${foreign}`, () => removeFromForeignEngine(steps, foreign));
		if (!existsSync(DEMO_STATE)) return console.log('nothing to remove: the demo is not up');
		await steps.step('Removing the demo', () => removeEngine(steps, enginePaths(DEMO_STATE)));
	},
	() => logFile,
);

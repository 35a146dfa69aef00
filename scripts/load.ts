/** `make load`: the images and the plugin onto an engine of your own, `DOCKER_HOST` or the machine's. Sets nothing up. */

import { join } from 'node:path';
import { buildAll } from './build.ts';
import { buildImages, dockerCommand } from './images.ts';
import { BUILD } from './paths.ts';
import { createPlugin, layOutPlugin, PLUGIN } from './plugin.ts';
import { runMain, StepError, Steps } from './steps.ts';

const logFile = join(BUILD, 'logs/load.log');

runMain(
	async () => {
		const steps = new Steps(logFile);
		const host = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
		const docker = dockerCommand(steps, host);
		const rootFileSystem = await buildAll(steps);
		await steps.step(`Building the images on ${host}`, () => buildImages(steps, docker, rootFileSystem), ({ built, of }) => `${built} of ${of} changed`);
		const release = async (): Promise<void> => {
			throw new StepError(`another version of the plugin ${PLUGIN} is installed on ${host}`, 'docs/operations.md tells how to replace it: take it out of the authorization chain first');
		};
		await steps.step(`Creating the plugin on ${host}`, () => createPlugin(docker, layOutPlugin(rootFileSystem), BUILD, release), (fresh) => (fresh ? 'new, not enabled' : 'unchanged'));
	},
	() => logFile,
);

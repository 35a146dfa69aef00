/**
 * `make test`: the unit tests, then the integration stories on a private engine that is set up once
 * and removed whatever happens.
 *
 *     test.ts [--integration [STORY]]
 */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import tmp from 'tmp';
import { buildAll } from './build.ts';
import { buildImages, dockerCommand } from './images.ts';
import { BUILD, enginePaths, PROJECT } from './paths.ts';
import { createPlugin, layOutPlugin, PLUGIN } from './plugin.ts';
import { reloadEngine, removeEngine, startEngine, writeDaemonJson } from './private-engine.ts';
import { CA_CONTAINER, enablePlugin, makeToken, startCa, waitUntilEnforced } from './set-up.ts';
import { runMain, Steps } from './steps.ts';
import { buildTestImages } from './test-images.ts';
import { freePort } from './ports.ts';

const logFile = join(BUILD, 'logs/test.log');
const AVA = join(PROJECT, 'node_modules/.bin/ava');
/** Short, so that a token that expires can be waited for. */
const TOKEN_TTL_SECONDS = 6;

interface Count {
	readonly passed: number;
	readonly failed: number;
}

async function main(): Promise<void> {
	const [flag, story] = process.argv.slice(2);
	const counts: Count[] = [];
	if (flag !== '--integration') counts.push(await ava([]));
	counts.push(await integration(story));
	const sum = (pick: (count: Count) => number): number => counts.reduce((total, count) => total + pick(count), 0);
	process.stdout.write(`\n${sum((count) => count.passed)} passed, ${sum((count) => count.failed)} failed\n`);
	if (sum((count) => count.failed) > 0) process.exitCode = 1;
}

async function integration(story: string | undefined): Promise<Count> {
	const steps = new Steps(logFile);
	const state = tmp.dirSync({ prefix: 'birthmark-test-', unsafeCleanup: true });
	const paths = enginePaths(state.name);
	const remove = (): Promise<void> => removeEngine(steps, paths);
	for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void remove().finally(() => process.exit(1)));
	try {
		const rootFileSystems = await buildAll(steps);
		const docker = dockerCommand(steps, paths.host);
		const port = await freePort();
		await steps.step('Starting an engine for the tests', () => startEngine(steps, paths));
		await steps.step('Building the images', async () => {
			await buildImages(steps, docker, rootFileSystems.base);
			await buildTestImages(steps, docker);
		});
		await steps.step('Packaging the plugin', () => createPlugin(docker, layOutPlugin(rootFileSystems.mount), paths.state));
		const caUrl = await steps.step('Starting CA and plugin', async () => {
			const url = await startCa(docker, { container: CA_CONTAINER, volume: 'birthmark-ca', port, settings: { BIRTHMARK_CA_TRUST_DOMAIN: 'test.internal', BIRTHMARK_CA_ENVIRONMENT: 'test', BIRTHMARK_CA_TOKEN_TTL_SECONDS: String(TOKEN_TTL_SECONDS) } });
			const joinToken = await makeToken(docker, CA_CONTAINER, ['node', 'token', '--name', 'test-host', '--allow', 'api*/web-api', '--allow', 'web*/web']);
			await enablePlugin(paths.host, { name: PLUGIN, caUrl: url, joinToken, run: paths.run, socket: 'docker.sock', logLevel: 'debug' });
			writeDaemonJson(paths, [PLUGIN]);
			reloadEngine(paths);
			await waitUntilEnforced(paths.host);
			return url;
		});
		const setting = { host: paths.host, state: paths.state, caUrl, caContainer: CA_CONTAINER, plugin: PLUGIN };
		const files = story === undefined ? [] : [`test/integration/${story}/**/*.test.ts`];
		return await ava(['--config', 'test/integration.config.js', ...files], { BIRTHMARK_TEST: JSON.stringify(setting), DOCKER_HOST: paths.host });
	} finally {
		await steps.step('Removing the engine of the tests', remove);
	}
}

/** Runs ava with its own output on the terminal, and counts what its reporter says. */
function ava(args: readonly string[], environment: Record<string, string> = {}): Promise<Count> {
	return new Promise((resolve, reject) => {
		const child = spawn(AVA, args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...environment } });
		let output = '';
		child.stdout.on('data', (chunk: Buffer) => {
			output += chunk.toString();
			process.stdout.write(chunk);
		});
		child.on('error', reject);
		child.on('close', (code) => {
			const number = (pattern: RegExp): number => Number(output.match(pattern)?.[1] ?? 0);
			// The summary leaves out how many passed when some failed.
			const passed = output.match(/^\s*✔ /gm)?.length ?? 0;
			const failed = number(/^\s*(\d+) tests? failed/m) + number(/^\s*(\d+) uncaught exceptions?/m) + number(/^\s*(\d+) unhandled rejections?/m);
			// Whatever else ava is unhappy about (no tests found, a file that does not load) counts as one failure.
			resolve({ passed, failed: failed > 0 || code === 0 ? failed : 1 });
		});
	});
}

runMain(main, () => logFile);

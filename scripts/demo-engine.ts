/** Which engine the demo uses: a private one, or on request (`BIRTHMARK_DOCKER_HOST`) one that is there. */

import { basename, dirname, join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { dockerCommand, type Docker } from './images.ts';
import { DEMO_STATE, enginePaths, PROJECT } from './paths.ts';
import { PLUGIN } from './plugin.ts';
import { reloadEngine, startEngine, writeDaemonJson } from './private-engine.ts';
import { CA_CONTAINER, pluginStatus, until, waitUntilEnforced } from './set-up.ts';
import { StepError, type Steps } from './steps.ts';

/** Of the `birthmark` command: what an operator would call as well. */
const SETUP = ['engine', 'setup', '--default', '--authorization', '--plugin', PLUGIN];

export const DEMO = {
	caVolume: 'birthmark-ca',
	network: 'birthmark-demo',
	containers: ['api01', 'web01', 'stranger', 'db01'],
} as const;

export interface DemoEngine {
	readonly host: string;
	readonly state: string;
	/** host directory of the engine's socket, and the socket's name in it */
	readonly run: string;
	readonly socket: string;
	/** name of the bridge of the demo's network; the engine's choice when undefined */
	readonly bridge: string | undefined;
	/** what `start` does, for people */
	readonly startTitle: string;
	start(): Promise<void>;
	/** Makes birthmark-runtime the default runtime, puts the plugin into the authorization chain, and waits for the proof. */
	setUp(): Promise<void>;
	/** Takes it out again: an engine whose chain names a plugin that is gone refuses every call. */
	release(): Promise<void>;
}

export function demoEngine(steps: Steps): DemoEngine {
	const foreign = process.env['BIRTHMARK_DOCKER_HOST'];
	return foreign ? foreignEngine(steps, foreign) : privateEngine(steps);
}

function privateEngine(steps: Steps): DemoEngine {
	const paths = enginePaths(DEMO_STATE);
	return {
		host: paths.host,
		state: paths.state,
		run: paths.run,
		socket: 'docker.sock',
		bridge: `${paths.bridge}-d`,
		startTitle: 'Starting an engine of our own',
		start: () => startEngine(steps, paths),
		setUp: async () => {
			await steps.run(join(PROJECT, 'bin/birthmark'), [...SETUP, '--host', paths.host, '--directory', join(paths.state, 'runtime')]);
			await waitUntilEnforced(paths.host);
		},
		release: async () => {
			writeDaemonJson(paths, []);
			reloadEngine(paths);
			await untilReleased(paths.host, 10);
		},
	};
}

/** We never write another engine's configuration: its owner does, and we wait. */
function foreignEngine(steps: Steps, host: string): DemoEngine {
	if (!host.startsWith('unix://')) throw new StepError(`BIRTHMARK_DOCKER_HOST=${host} is no unix socket`, 'the plugin runs on the engine\'s own machine: give its socket, e.g. unix:///run/docker.sock');
	const socket = host.slice('unix://'.length);
	return {
		host,
		state: DEMO_STATE,
		run: dirname(socket).replace(/^\/var\/run\b/, '/run'),
		socket: basename(socket),
		bridge: undefined,
		startTitle: 'Asking the engine',
		start: async () => {
			mkdirSync(DEMO_STATE, { recursive: true });
			await dockerCommand(steps, host)(['version']);
		},
		setUp: async () => {
			process.stdout.write(`\n  As root, in another terminal: bin/birthmark ${SETUP.join(' ')} --host ${host}; waiting for five minutes …\n`);
			await waitUntilEnforced(host, 300);
		},
		release: async () => {
			process.stdout.write(`\n  As root, in another terminal: bin/birthmark engine undo --force --host ${host}; waiting for five minutes …\n`);
			await untilReleased(host, 300);
		},
	};
}

/** The plugin itself notices; an engine tells its chain only as it was at its start. */
async function untilReleased(host: string, seconds: number): Promise<void> {
	await until(async () => (await pluginStatus(host))?.inChain !== true, seconds, 'the engine does not take the plugin out of its authorization chain', 'make down, then make demo');
}

/** The demo's containers first, then the plugin, so that every identity is revoked on the way. */
export async function removeFromForeignEngine(steps: Steps, host: string): Promise<void> {
	const docker = dockerCommand(steps, host);
	await docker(['rm', '--force', '--volumes', ...DEMO.containers], { mayFail: true });
	const plugin = await docker(['plugin', 'inspect', '--format', '{{.Id}}', PLUGIN], { mayFail: true });
	if (plugin.code === 0) {
		await demoEngine(steps).release();
		await docker(['volume', 'rm', '--force', 'birthmark-sentinel'], { mayFail: true });
		await docker(['plugin', 'rm', '--force', PLUGIN]);
	}
	await docker(['rm', '--force', CA_CONTAINER], { mayFail: true });
	await docker(['volume', 'rm', DEMO.caVolume], { mayFail: true });
	await docker(['network', 'rm', DEMO.network], { mayFail: true });
	await removeImages(docker);
}

async function removeImages(docker: Docker): Promise<void> {
	const images = (await docker(['image', 'ls', '--quiet', '--filter', 'reference=birthmark/*'], { mayFail: true })).stdout.split('\n').filter(Boolean);
	if (images.length > 0) await docker(['image', 'rm', '--force', ...new Set(images)], { mayFail: true });
}

/** Setting up Birthmark on an engine: CA container, plugin, authorization chain. Used by the demo and by the tests. */

import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import type { PluginStatus } from '#common/protocol/plugin-status.ts';
import { SENTINEL_VOLUME } from '#common/protocol/plugin-status.ts';
import type { Docker as DockerCommand } from './images.ts';
import { isReady } from '../hook/ca-ready.ts';
import { StepError } from './steps.ts';

export const CA_CONTAINER = 'birthmark-ca';
export const CA_VOLUME = 'birthmark-ca';
const CA_IMAGE = 'birthmark/ca';
/** On a quiet machine it is seconds. */
const PATIENCE_SECONDS = 120;

export interface CaOptions {
	readonly container: string;
	readonly volume: string;
	/** port on the loopback interface */
	readonly port: number;
	/** settings of the CA, `BIRTHMARK_CA_…` */
	readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts the CA's container and waits until it is ready. One that is there stays, unless its image
 * was built anew since: then another takes its place on the same volume, and is the same CA.
 *
 * @returns its URL
 */
export async function startCa(docker: DockerCommand, options: CaOptions): Promise<string> {
	const url = `https://127.0.0.1:${options.port}`;
	const image = (await docker(['image', 'inspect', '--format', '{{.Id}}', CA_IMAGE])).stdout.trim();
	const there = await docker(['container', 'inspect', '--format', '{{.Image}} {{.State.Running}}', options.container], { mayFail: true });
	const [itsImage, isRunning] = there.code === 0 ? there.stdout.trim().split(' ') : [];
	if (itsImage !== undefined && itsImage !== image) await docker(['rm', '--force', options.container]);
	if (itsImage !== image) {
		const settings = Object.entries(options.settings ?? {}).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
		// Not unless-stopped: an engine that was killed ends its containers when it starts again, and counts that as a stop.
		await docker(['run', '--detach', '--name', options.container, '--restart', 'always', '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--volume', `${options.volume}:/var/lib/birthmark`, '--publish', `127.0.0.1:${options.port}:33004`, ...settings, CA_IMAGE]);
	} else if (isRunning !== 'true') {
		await docker(['start', options.container]);
	}
	await until(() => isReady(url), PATIENCE_SECONDS, `the CA at ${url} does not become ready`, `read its log: docker logs ${options.container}`);
	return url;
}

/** Makes a token with the `birthmark` command in the CA's container, where the admin socket is. */
export async function makeToken(docker: DockerCommand, container: string, args: readonly string[]): Promise<string> {
	return (await docker(['exec', container, '/usr/bin/birthmark', ...args], { quiet: true })).stdout.trim();
}

export interface PluginOptions {
	readonly name: string;
	readonly caUrl: string;
	readonly joinToken: string;
	/** the host directory with the engine's socket, a shared mount */
	readonly run: string;
	/** the socket's name in it */
	readonly socket: string;
	readonly logLevel?: string;
	/** on the host; the plugin's own default when absent */
	readonly policyFile?: string;
}

/** Sets and enables the plugin. Over the API, so that the token is on no command line. */
export async function enablePlugin(host: string, options: PluginOptions): Promise<void> {
	const plugin = engineApi(host).getPlugin(options.name, options.name);
	const settings = [`CA_URL=${options.caUrl}`, `JOIN_TOKEN=${options.joinToken}`, `ENGINE_SOCKET=${options.socket}`, `run.source=${options.run}`, `LOG_LEVEL=${options.logLevel ?? 'info'}`, ...(options.policyFile === undefined ? [] : [`POLICY_FILE=${options.policyFile}`])];
	// `_body` is docker-modem's way to send something that is not an object.
	await plugin.configure({ _body: settings });
	await plugin.enable({ timeout: 30 });
}

/** What the plugin says of itself; undefined before it has made its sentinel volume. */
export async function pluginStatus(host: string): Promise<PluginStatus | undefined> {
	try {
		return ((await engineApi(host).getVolume(SENTINEL_VOLUME).inspect()) as unknown as { Status?: PluginStatus }).Status;
	} catch {
		return undefined;
	}
}

/** Waits until the engine has finished starting the plugin, and that has joined the CA and has proof that the engine asks it. */
export async function waitUntilEnforced(host: string, seconds = PATIENCE_SECONDS): Promise<PluginStatus> {
	let last: PluginStatus | undefined;
	await until(
		async () => {
			last = await pluginStatus(host);
			return last?.seen === true && last.inChain === true && last.joined && last.ca === 'reachable';
		},
		seconds,
		'the plugin is not in the engine\'s authorization chain',
		'birthmark doctor tells why; the plugin\'s lines are in the engine\'s log',
	);
	return last!;
}

export function engineApi(host: string): Docker {
	return new Docker({ socketPath: host.replace(/^unix:\/\//, '') });
}

/** Asks again every 50 ms until the answer is yes. */
export async function until(done: () => Promise<boolean>, seconds: number, message: string, remedy: string): Promise<void> {
	const end = Date.now() + seconds * 1000;
	while (!(await done())) {
		if (Date.now() > end) throw new StepError(message, remedy);
		await sleep(50);
	}
}

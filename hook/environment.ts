/**
 * CA and plugin on an engine for as long as a test suite runs. Everything goes over the engine's API but
 * one thing that it has no call for: the authorization chain is in daemon.json, so on an engine that is
 * not prepared it takes root on the engine's host (docs/testing.md).
 */

import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { SENTINEL_VOLUME, type PluginStatus } from '#common/protocol/plugin-status.ts';
import { isReady } from './ca-ready.ts';
import { addToChain } from './chain.ts';
import { connectEngine, type Engine } from './docker.ts';

export interface BirthmarkOptions {
	/** of the engine; default DOCKER_HOST, or the usual socket */
	readonly host?: string;
	/** which names containers may have, `cn-pattern/role-pattern`; default all */
	readonly allow?: readonly string[];
	/** settings of the CA, `BIRTHMARK_CA_…` */
	readonly settings?: Readonly<Record<string, string>>;
	/** the policy on the engine's host, an absolute path; the plugin's own place when absent */
	readonly policyFile?: string;
	/** a CA that is there already, instead of one in a container of this engine */
	readonly ca?: { readonly url: string; readonly joinToken: string };
	/** of the plugin; `debug` tells every decision in the engine's log */
	readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
	/** names on the engine, where `make load` or an installation put them */
	readonly plugin?: string;
	readonly caImage?: string;
}

export interface BirthmarkEnvironment extends AsyncDisposable {
	/** the engine was set up already: nothing was started, and nothing will be stopped */
	readonly wasThere: boolean;
	/** undefined when {@link wasThere} */
	readonly caUrl: string | undefined;
	/** Runs the `birthmark` command beside the CA that was started. @returns what it prints @throws BirthmarkError `usage` when none was */
	birthmark(...args: readonly string[]): Promise<string>;
	/** Takes everything away that was brought; the engine is as before. */
	stop(): Promise<void>;
}

/** What takes away what was brought, in the order in which it came. */
export type Undo = (() => Promise<void>)[];

interface PluginDetails {
	readonly Enabled?: boolean;
	readonly Settings?: { readonly Env?: readonly string[] | null; readonly Mounts?: readonly { readonly Name: string; readonly Source: string }[] | null };
}

interface CaForSuite {
	readonly url: string;
	readonly joinToken: string;
	/** id; undefined for one that was there already */
	readonly container?: string;
}

const NO_CA = (): Promise<never> => Promise.reject(new BirthmarkError('usage', 'the CA was not started here: ask it with a birthmark command of your own'));

const DEFAULT_HOST = 'unix:///var/run/docker.sock';
const CA_PORT = '33004/tcp';
/** An engine that is busy with other suites takes its time for each step. */
const DEADLINE_SECONDS = 120;
const PAUSE_MS = 100;
const NOT_FOUND = 404;
/** The plugin is in use. */
const CONFLICT = 409;

/**
 *     const birthmark = await startBirthmark();
 *     // … withIdentity(…)
 *     await birthmark.stop();
 *
 * @throws BirthmarkError `engine-unavailable`, `not-found` without plugin or image, `enforcement-missing`
 * when the engine is not prepared and cannot be; nothing is left behind then
 */
export async function startBirthmark(options: BirthmarkOptions = {}): Promise<BirthmarkEnvironment> {
	const { host = process.env['DOCKER_HOST'] ?? DEFAULT_HOST, plugin = 'birthmark' } = options;
	const socket = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
	if (socket === undefined) throw new BirthmarkError('usage', `${host} is no unix socket: set DOCKER_HOST to that of the engine`);
	const engine = await connectEngine(socket);
	if (await isEnforced(engine)) return environment(true, undefined, NO_CA, []);
	const undo: Undo = [];
	try {
		const before = await requireIdle(engine, plugin);
		const ca: CaForSuite = options.ca ?? (await startCa(engine, options, undo));
		await enable(engine, socket, plugin, { ...options, ca, before }, undo);
		await addToChain(engine, socket, plugin, undo);
		await until('the engine asks the plugin before it acts', () => isEnforced(engine));
		const { container } = ca;
		return environment(false, ca.url, container === undefined ? NO_CA : (args) => run(engine, container, args), undo);
	} catch (cause) {
		const left = await unwind(undo).then(() => '', (error: Error) => `; and not everything could be taken away again: ${error.message}`);
		if (cause instanceof BirthmarkError) throw left === '' ? cause : new BirthmarkError(cause.code, cause.message + left, { cause });
		throw new BirthmarkError('engine-unavailable', `Birthmark could not be started on ${host}: ${(cause as Error).message}${left}`, { cause });
	}
}

function environment(wasThere: boolean, caUrl: string | undefined, command: (args: readonly string[]) => Promise<string>, undo: Undo): BirthmarkEnvironment {
	const stop = (): Promise<void> => unwind(undo);
	return { wasThere, caUrl, birthmark: (...args) => command(args), stop, [Symbol.asyncDispose]: stop };
}

/** The last thing first; each is tried, and what could not be undone is told. */
async function unwind(undo: Undo): Promise<void> {
	const failures: unknown[] = [];
	for (let step = undo.pop(); step; step = undo.pop()) await step().catch((error: unknown) => failures.push(error));
	if (failures.length > 0) throw failures[0];
}

/** The plugin has joined a CA that answers, and has proof that the engine asks it. */
async function isEnforced(engine: Engine): Promise<boolean> {
	const status = await pluginStatus(engine);
	return status?.inChain === true && status.joined && status.ca === 'reachable';
}

async function pluginStatus(engine: Engine): Promise<PluginStatus | undefined> {
	const volume = await engine.getVolume(SENTINEL_VOLUME).inspect().catch(() => undefined);
	return (volume as { Status?: PluginStatus } | undefined)?.Status;
}

/** Another suite, or an operator, uses a plugin that is enabled: its CA stays as it is. */
async function requireIdle(engine: Engine, plugin: string): Promise<PluginDetails> {
	const details = (await engine.getPlugin(plugin, plugin).inspect().catch((cause: { statusCode?: number }) => {
		if (cause.statusCode !== NOT_FOUND) throw cause;
		throw new BirthmarkError('not-found', `the engine has no plugin ${plugin}: put it there with make load, or install it`, { cause });
	})) as PluginDetails;
	if (details.Enabled !== true) return details;
	throw new BirthmarkError('enforcement-missing', `the plugin ${plugin} is enabled, but not in the engine's authorization chain or without its CA: birthmark doctor says what is missing`);
}

async function startCa(engine: Engine, { allow = ['*/*'], settings = {}, caImage = 'birthmark/ca' }: BirthmarkOptions, undo: Undo): Promise<CaForSuite> {
	const suite = `suite-${randomBytes(4).toString('hex')}`;
	const container = await engine.createContainer({
		name: `birthmark-ca-${suite}`,
		Image: caImage,
		Env: Object.entries(settings).map(([key, value]) => `${key}=${value}`),
		ExposedPorts: { [CA_PORT]: {} },
		HostConfig: {
			ReadonlyRootfs: true,
			CapDrop: ['ALL'],
			SecurityOpt: ['no-new-privileges'],
			Mounts: [{ Type: 'volume', Source: '', Target: '/var/lib/birthmark' }],
			PortBindings: { [CA_PORT]: [{ HostIp: '127.0.0.1', HostPort: '' }] },
		},
	}).catch((cause: { statusCode?: number }) => {
		if (cause.statusCode !== NOT_FOUND) throw cause;
		throw new BirthmarkError('not-found', `the engine has no image ${caImage}: put it there with make load`, { cause });
	});
	undo.push(() => container.remove({ force: true, v: true }));
	await container.start();
	const { NetworkSettings } = await container.inspect();
	const url = `https://127.0.0.1:${NetworkSettings.Ports[CA_PORT]?.[0]?.HostPort}`;
	await until(`the CA at ${url} is ready`, () => isReady(url));
	const joinToken = (await run(engine, container.id, ['node', 'token', '--name', suite, ...allow.flatMap((rule) => ['--allow', rule])])).trim();
	return { url, joinToken, container: container.id };
}

async function enable(engine: Engine, socket: string, name: string, { ca, before, policyFile, logLevel = 'info' }: BirthmarkOptions & { readonly ca: CaForSuite; readonly before: PluginDetails }, undo: Undo): Promise<void> {
	const plugin = engine.getPlugin(name, name);
	const settings = [`CA_URL=${ca.url}`, `JOIN_TOKEN=${ca.joinToken}`, `ENGINE_SOCKET=${basename(socket)}`, `run.source=${realpathSync(dirname(socket))}`, `LOG_LEVEL=${logLevel}`, ...(policyFile === undefined ? [] : [`POLICY_FILE=${policyFile}`])];
	// `_body` is docker-modem's way to send something that is not an object.
	undo.push(() => plugin.configure({ _body: settings.map(nameOf).flatMap((setting) => valueBefore(before, setting) ?? []) }));
	await plugin.configure({ _body: settings });
	await plugin.enable({ timeout: 30 });
	undo.push(async () => {
		// It can be removed when the engine does not ask the plugin any more; until the plugin is disabled it may be made again.
		await until('the plugin lets go of the engine', async () => {
			const isGone = await engine.getVolume(SENTINEL_VOLUME).remove().then(() => true, (error: { statusCode?: number }) => error.statusCode === NOT_FOUND);
			return isGone && plugin.disable().then(() => true, (error: { statusCode?: number }) => {
				if (error.statusCode !== CONFLICT) throw error;
				return false;
			});
		});
	});
}

function nameOf(setting: string): string {
	return setting.slice(0, setting.indexOf('='));
}

/** @returns the setting as `docker plugin set` takes it */
function valueBefore({ Settings }: PluginDetails, name: string): string | undefined {
	const source = Settings?.Mounts?.find((mount) => `${mount.Name}.source` === name)?.Source;
	return source === undefined ? Settings?.Env?.find((setting) => nameOf(setting) === name) : `${name}=${source}`;
}

/** @throws BirthmarkError `internal` when the command fails */
async function run(engine: Engine, container: string, args: readonly string[]): Promise<string> {
	const exec = await engine.getContainer(container).exec({ Cmd: ['/usr/bin/birthmark', ...args], AttachStdout: true, AttachStderr: true, Tty: true });
	const stream = await exec.start({ hijack: true, stdin: false, Tty: true });
	let text = '';
	for await (const chunk of stream as AsyncIterable<Buffer>) text += chunk.toString();
	const { ExitCode } = await exec.inspect();
	if (ExitCode !== 0) throw new BirthmarkError('internal', `birthmark ${args[0]} ended with ${ExitCode}: ${text.trim()}`);
	return text;
}

/** @throws BirthmarkError `enforcement-missing` */
async function until(what: string, done: () => Promise<boolean>): Promise<void> {
	const end = Date.now() + DEADLINE_SECONDS * 1000;
	while (!(await done())) {
		if (Date.now() > end) throw new BirthmarkError('enforcement-missing', `${DEADLINE_SECONDS} s passed, and still not: ${what}; birthmark doctor tells why`);
		await sleep(PAUSE_MS);
	}
}

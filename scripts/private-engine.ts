/**
 * A Docker engine of our own beside whatever the machine has: own socket, data root, exec root, pid
 * file, bridge and daemon.json. It leaves the host's firewall and sysctls alone: containers reach
 * each other and published ports go through the engine's userland proxy, that is all; but see
 * engine-network.ts.
 */

import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'node:http';
import { setupLock } from '../cli/engine/setup-lock.ts';
import { engineEnvironment } from './engines.ts';
import { addressPools, makeBridge, removeBridges } from './engine-network.ts';
import type { EnginePaths } from './paths.ts';
import { commandLine, isAlive, originOf, processes } from './processes.ts';
import { StepError, type Steps } from './steps.ts';

/** On a machine that is busy with other engines: it starts its plugins and containers before it answers. */
const START_SECONDS = 180;
const STOP_SECONDS = 120;

/** What daemon.json may say besides what a private engine needs, such as `userns-remap`, `live-restore` or more `hosts`. */
export type EngineSettings = Readonly<Record<string, unknown>>;

/**
 * Writes the engine's daemon.json; `reloadEngine` makes a running engine take it up. What was set
 * before stays, so that the chain can change without a word about the rest.
 */
export function writeDaemonJson(paths: EnginePaths, authorizationPlugins: readonly string[], settings: EngineSettings = {}): void {
	const config = { ...ownSettings(paths), ...readDaemonJson(paths), ...settings, 'authorization-plugins': authorizationPlugins };
	writeFileSync(paths.daemonJson, JSON.stringify(config, undefined, '\t') + '\n');
}

function readDaemonJson(paths: EnginePaths): EngineSettings & { readonly 'authorization-plugins'?: readonly string[] } {
	return existsSync(paths.daemonJson) ? (JSON.parse(readFileSync(paths.daemonJson, 'utf8')) as EngineSettings) : {};
}

function ownSettings(paths: EnginePaths): EngineSettings {
	return {
		hosts: [paths.host],
		'data-root': paths.data,
		'exec-root': join(paths.shortRun, 'exec'),
		pidfile: paths.pidFile,
		bridge: paths.bridge,
		iptables: false,
		ip6tables: false,
		'ip-forward': false,
		'ip-masq': false,
		'default-address-pools': addressPools(paths),
		'log-opts': { 'max-size': '10m' },
		...settingsForAll(),
	};
}

/** ENGINE_SETTINGS: JSON for the daemon.json of every engine that is started, to see everything run under it. */
function settingsForAll(): EngineSettings {
	const text = process.env['ENGINE_SETTINGS'] || '{}';
	try {
		return JSON.parse(text) as EngineSettings;
	} catch (cause) {
		throw new StepError(`ENGINE_SETTINGS=${text} is no JSON`, 'give what daemon.json is to hold, e.g. {"live-restore":true}', { cause });
	}
}

export function engineIsRunning(paths: EnginePaths): boolean {
	return enginePid(paths) !== undefined;
}

export interface StartOptions {
	/** for daemon.json, kept for every later start */
	readonly settings?: EngineSettings;
	/** command line that leads the engine's own, e.g. to another namespace; it becomes the engine, by exec */
	readonly enter?: readonly string[];
}

/** Starts the engine unless it runs; waits until its API answers. */
export async function startEngine(steps: Steps, paths: EnginePaths, { settings, enter = [] }: StartOptions = {}): Promise<void> {
	const failure = (): StepError => new StepError(`the private engine did not start: ${lastLine(paths.log)}`, `read ${paths.log}`);
	// It may have been left in the middle of its start.
	if (engineIsRunning(paths)) return waitFor(() => ping(paths), START_SECONDS, () => !engineIsRunning(paths), failure);
	if (process.getuid?.() !== 0) throw new StepError('the engine needs root', 'run make with sudo');
	prepareRunDirectory(paths);
	await makeRunShared(steps, paths);
	await makeBridge(steps, paths);
	writeDaemonJson(paths, readDaemonJson(paths)['authorization-plugins'] ?? [], settings);
	// The root of a user namespace is a stranger on the host, and has to pass here to get to its containers.
	if (readDaemonJson(paths)['userns-remap'] !== undefined) chmodSync(paths.state, 0o711);
	rmSync(paths.pidFile, { force: true });
	mkdirSync(join(paths.state, 'logs'), { recursive: true });
	const log = openSync(paths.log, 'a');
	const [program, ...args] = [...enter, 'dockerd', '--config-file', paths.daemonJson];
	const child = spawn(program!, args, { detached: true, stdio: ['ignore', log, log], env: { ...process.env, ...engineEnvironment() } });
	closeSync(log);
	child.on('error', (error) => steps.log(`dockerd: ${error.message}`));
	child.unref();
	await waitFor(() => ping(paths), START_SECONDS, () => child.exitCode !== null || child.signalCode !== null, failure);
}

/** SIGHUP: the engine reads daemon.json again, the authorization chain included. */
export function reloadEngine(paths: EnginePaths): void {
	const pid = enginePid(paths);
	if (pid === undefined) throw new StepError('the private engine is not running', 'start it with make demo');
	process.kill(pid, 'SIGHUP');
}

/** Stops the engine with all its containers and waits for its end. */
export async function stopEngine(paths: EnginePaths, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
	const pid = enginePid(paths);
	if (pid === undefined) return;
	process.kill(pid, signal);
	await waitFor(async () => !isAlive(pid), STOP_SECONDS, () => false, () => new StepError(`the engine (pid ${pid}) does not stop`, `end it yourself with kill -9 ${pid}, then run it again`));
	await forgetContainerd(paths);
}

/** containerd dies with an engine that was killed, a moment later; an engine started in that moment would wait for it in vain. */
async function forgetContainerd(paths: EnginePaths): Promise<void> {
	const pidFile = join(paths.run, 'exec/containerd/containerd.pid');
	if (!existsSync(pidFile)) return;
	const pid = Number(readFileSync(pidFile, 'utf8'));
	await waitFor(async () => !isAlive(pid), STOP_SECONDS, () => false, () => new StepError(`containerd (pid ${pid}) does not stop`, `end it yourself with kill -9 ${pid}, then run it again`));
	rmSync(pidFile, { force: true });
}

/** What a loss of power does to it: no process and no mount is left, and what lay in the run directory. The disk is as it was. */
export async function loseEngine(steps: Steps, paths: EnginePaths): Promise<void> {
	const pid = enginePid(paths);
	if (pid !== undefined) process.kill(pid, 'SIGKILL');
	await endLeftProcesses(paths);
	await stopEngine(paths, 'SIGKILL');
	await unmountAll(steps, paths);
	rmSync(paths.run, { recursive: true, force: true });
}

/** Stops the engine and removes everything that it and its plugin left: mounts, bridges, links, files. */
export async function removeEngine(steps: Steps, paths: EnginePaths): Promise<void> {
	await stopEngine(paths);
	await endLeftProcesses(paths);
	await unmountAll(steps, paths);
	await removeBridges(steps, paths);
	rmSync(paths.shortRun, { force: true });
	rmSync(setupLock(paths.daemonJson), { force: true });
	rmSync(paths.state, { recursive: true, force: true });
}

async function unmountAll(steps: Steps, paths: EnginePaths): Promise<void> {
	// Many at a time: each umount reads the table of all mounts.
	const targets = mountsBelow(paths.state);
	for (let first = 0; first < targets.length; first += 200) await steps.run('umount', ['--lazy', ...targets.slice(first, first + 200)], { mayFail: true });
}

function prepareRunDirectory(paths: EnginePaths): void {
	mkdirSync(paths.run, { recursive: true, mode: 0o711 });
	let target: string | undefined;
	try {
		target = readlinkSync(paths.shortRun);
	} catch {
		// not there yet
	}
	if (target === paths.run) return;
	if (target !== undefined) rmSync(paths.shortRun);
	symlinkSync(paths.run, paths.shortRun);
}

async function makeRunShared(steps: Steps, paths: EnginePaths): Promise<void> {
	if (mountsBelow(paths.run).includes(paths.run)) return;
	await steps.run('mount', ['--bind', paths.run, paths.run]);
	await steps.run('mount', ['--make-shared', paths.run]);
}

/** Shims, and the containers themselves, outlive an engine that was killed. */
async function endLeftProcesses(paths: EnginePaths): Promise<void> {
	// With user namespaces the engine keeps everything one folder down, called by the first uid and gid.
	const roots = [paths.data, ...list(paths.data).filter((name) => /^\d+\.\d+$/.test(name)).map((name) => join(paths.data, name))];
	const ids = roots.flatMap((root) => [...list(join(root, 'containers')), ...list(join(root, 'plugins'))]);
	const isLeft = (pid: number): boolean => {
		if (commandLine(pid).some((word) => word.startsWith(`${paths.shortRun}/exec`))) return true;
		try {
			// Not by its mounts: other services of the machine see ours as well.
			return [...readFileSync(`/proc/${pid}/cgroup`, 'utf8').matchAll(/[0-9a-f]{64}/g)].some(([id]) => ids.includes(id));
		} catch {
			return false; // ended in between
		}
	};
	for (const pid of processes().filter(isLeft)) {
		try {
			process.kill(pid, 'SIGKILL');
		} catch {
			continue; // ended in between
		}
		await waitFor(async () => !isAlive(pid), STOP_SECONDS, () => false, () => new StepError(`process ${pid} does not end`, `end it yourself with kill -9 ${pid}`));
	}
}

const list = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory) : []);

/** Mount points at or below a directory, the deepest first. */
function mountsBelow(directory: string): string[] {
	return readFileSync('/proc/self/mountinfo', 'utf8')
		.split('\n')
		// Blanks and backslashes stand there as octal escapes.
		.map((line) => (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))))
		.filter((target) => target === directory || target.startsWith(directory + '/'))
		.reverse();
}

/** By its command line: the pid file is not there before the engine is up. */
function enginePid(paths: EnginePaths): number | undefined {
	return originOf(processes().filter((pid) => {
		const [program = '', ...args] = commandLine(pid);
		return basename(program) === 'dockerd' && args.includes(paths.daemonJson);
	}));
}

function ping(paths: EnginePaths): Promise<boolean> {
	return new Promise((resolve) => {
		const call = request({ socketPath: paths.socket, path: '/_ping', timeout: 2000 }, (answer) => {
			answer.resume();
			resolve(answer.statusCode === 200);
		});
		call.on('timeout', () => call.destroy());
		call.on('error', () => resolve(false));
		call.end();
	});
}

async function waitFor(done: () => Promise<boolean>, seconds: number, hopeless: () => boolean, failure: () => StepError): Promise<void> {
	const end = Date.now() + seconds * 1000;
	while (!(await done())) {
		if (Date.now() > end || hopeless()) throw failure();
		await sleep(50);
	}
}

function lastLine(path: string): string {
	try {
		return readFileSync(path, 'utf8').trim().split('\n').at(-1)?.slice(0, 300) ?? '';
	} catch {
		return 'no log';
	}
}

/**
 * The process behind an engine's unix socket, whatever engines the host has: whoever listens there
 * (proc(5), /proc/net/unix and /proc/PID/fd). Its command line tells which daemon.json it reads.
 */

import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';

/** What dockerd reads when nobody says otherwise. */
const DEFAULT_DAEMON_JSON = '/etc/docker/daemon.json';

export interface EngineProcess {
	readonly pid: number;
	/** the command line without the program */
	readonly args: readonly string[];
	/** the program itself, also when its file was replaced meanwhile */
	readonly executable: string;
	readonly environment: Readonly<Record<string, string>>;
	readonly daemonJson: string;
}

/**
 * @param socketPath as in DOCKER_HOST
 * @param proc where proc(5) is mounted
 * @throws BirthmarkError `engine-unavailable` when no dockerd listens there; `forbidden` without the right to look
 */
export function findEngineProcess(socketPath: string, proc = '/proc'): EngineProcess {
	const inodes = new Set(readFileSync(join(proc, 'net/unix'), 'utf8').split('\n').map((line) => line.split(/\s+/)).filter(([, , , , , , , path]) => path !== undefined && isSame(path, socketPath)).map((fields) => `socket:[${fields[6]}]`));
	for (const pid of readdirSync(proc).filter((name) => /^\d+$/.test(name))) {
		// systemd has the socket open as well where it starts the engine.
		if (inodes.size > 0 && isDockerd(join(proc, pid)) && holds(join(proc, pid), inodes)) return describe(proc, pid);
	}
	throw new BirthmarkError('engine-unavailable', `no dockerd of this host listens on ${socketPath}; give the socket of an engine of this host with --host unix://PATH`);
}

function isSame(listed: string, wanted: string): boolean {
	const whole = (path: string): string => {
		try {
			return join(realpathSync(dirname(path)), basename(path));
		} catch {
			return path;
		}
	};
	return listed === wanted || whole(listed) === whole(wanted);
}

function isDockerd(process: string): boolean {
	try {
		return readFileSync(join(process, 'comm'), 'utf8').trim() === 'dockerd';
	} catch {
		return false; // ended in between
	}
}

function holds(process: string, inodes: ReadonlySet<string>): boolean {
	try {
		return readdirSync(join(process, 'fd')).some((fd) => inodes.has(readLink(join(process, 'fd', fd))));
	} catch (cause) {
		if ((cause as NodeJS.ErrnoException).code === 'EACCES') throw new BirthmarkError('forbidden', 'only root can see which process is the engine; run it with sudo', { cause });
		return false;
	}
}

function readLink(path: string): string {
	try {
		return readlinkSync(path);
	} catch {
		return ''; // closed in between
	}
}

function describe(proc: string, pid: string): EngineProcess {
	const words = (file: string): string[] => readFileSync(join(proc, pid, file), 'utf8').split('\0').slice(0, -1);
	const args = words('cmdline').slice(1);
	const environment = Object.fromEntries(words('environ').map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
	const configured = flag(args, 'config-file');
	return {
		pid: Number(pid),
		args,
		executable: join(proc, pid, 'exe'),
		environment,
		daemonJson: configured === undefined ? DEFAULT_DAEMON_JSON : resolve(readlinkSync(join(proc, pid, 'cwd')), configured),
	};
}

/** The value of the last `--name value` or `--name=value` of a command line. */
export function flag(args: readonly string[], name: string): string | undefined {
	const at = args.findLastIndex((word) => word === `--${name}` || word.startsWith(`--${name}=`));
	if (at < 0) return undefined;
	return args[at]!.includes('=') ? args[at]!.slice(name.length + 3) : args[at + 1];
}

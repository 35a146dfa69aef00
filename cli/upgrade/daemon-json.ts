/**
 * The engine's daemon.json, as far as the authorization chain goes, and the signal that makes the
 * engine take it up. A name in it without an enabled plugin behind it ends an engine that reloads.
 */

import { readFileSync } from 'node:fs';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeWhole } from '#common/runtime/atomic-file.ts';

const KEY = 'authorization-plugins';
const DEFAULT_PID_FILE = '/var/run/docker.pid';

export interface DaemonJson {
	/** names in the order in which the engine asks them */
	readonly chain: readonly string[];
	readonly text: string;
}

/** @throws BirthmarkError `config-invalid` when it cannot be read or names no chain */
export function readDaemonJson(path: string): DaemonJson {
	const { document, text } = parse(path);
	const chain = document[KEY];
	if (!Array.isArray(chain) || !chain.every((name) => typeof name === 'string') || chain.length === 0) {
		throw new BirthmarkError('config-invalid', `${path} names no plugins in "${KEY}"; put the plugin there instead of on the command line of dockerd, or give the right file with --daemon-json`);
	}
	return { chain, text };
}

/** Replaces the chain and nothing else; the file is there whole at any moment, a link to it stays one. */
export async function writeChain(path: string, chain: readonly string[]): Promise<void> {
	const { document, text } = parse(path);
	if (JSON.stringify(document[KEY]) === JSON.stringify(chain)) return;
	const indent = /^[{[]\s*\n([ \t]+)/.exec(text)?.[1] ?? '  ';
	await writeWhole(path, JSON.stringify({ ...document, [KEY]: chain }, undefined, indent) + '\n');
}

/**
 * Makes the engine read daemon.json again.
 *
 * @param pidFile of the engine; what daemon.json names, or the usual one, when absent
 * @throws BirthmarkError `engine-unavailable` when that is no engine
 */
export function reloadEngine(daemonJson: string, pidFile?: string): void {
	const { document } = parse(daemonJson);
	const path = pidFile ?? (typeof document['pidfile'] === 'string' ? document['pidfile'] : DEFAULT_PID_FILE);
	const pid = enginePid(path);
	if (pid === undefined) throw new BirthmarkError('engine-unavailable', `${path} is not the pid file of a running engine; give the right one with --pid-file`);
	process.kill(pid, 'SIGHUP');
}

function enginePid(path: string): number | undefined {
	try {
		const pid = Number(readFileSync(path, 'utf8').trim());
		return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'dockerd' ? pid : undefined;
	} catch {
		return undefined;
	}
}

function parse(path: string): { document: Record<string, unknown>; text: string } {
	try {
		const text = readFileSync(path, 'utf8');
		const document: unknown = JSON.parse(text);
		if (typeof document !== 'object' || document === null || Array.isArray(document)) throw new Error('it holds no object');
		return { document: document as Record<string, unknown>, text };
	} catch (cause) {
		throw new BirthmarkError('config-invalid', `${path} cannot be read as the engine's configuration: ${(cause as Error).message}; give the right file with --daemon-json`, { cause });
	}
}

/** The plugin into the engine's authorization chain, and out of it: the one thing that the engine's API cannot do. */

import { readFileSync } from 'node:fs';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic, writeWhole } from '#common/runtime/atomic-file.ts';
import { findEngineProcess } from '#common/runtime/engine-process.ts';
import { parseObject, setMember } from '#common/runtime/json-edit.ts';
import type { Undo } from './environment.ts';

const KEY = 'authorization-plugins';
const MODE = 0o644;

/**
 * @param socket of an engine of this host
 * @param undo gets what takes it out again, and nothing else that changed meanwhile
 * @throws BirthmarkError `enforcement-missing` without the right, or when the engine is on another host
 */
export async function addToChain(socket: string, plugin: string, undo: Undo): Promise<void> {
	const { pid, daemonJson } = find(socket, plugin);
	const change = async (edit: (chain: readonly string[]) => readonly string[]): Promise<void> => {
		const before = readIfThere(daemonJson);
		const text = before ?? '{}\n';
		const { [KEY]: chain = [] } = parseObject(text, daemonJson) as { [KEY]?: readonly string[] };
		// An empty list rather than none: what the file does not mention a running engine keeps as it was.
		const after = setMember(text, [KEY], edit(chain));
		await (before === undefined ? writeFileAtomic(daemonJson, after, MODE) : writeWhole(daemonJson, after));
		process.kill(pid, 'SIGHUP');
	};
	undo.push(() => change((chain) => chain.filter((name) => name !== plugin)));
	await change((chain) => [...chain.filter((name) => name !== plugin), plugin]);
}

function find(socket: string, plugin: string) {
	try {
		return findEngineProcess(socket);
	} catch (cause) {
		throw new BirthmarkError(
			'enforcement-missing',
			`the engine at ${socket} does not ask the plugin ${plugin}, and only root on its host can change that: run the suite as root there once, or set the engine up (docs/operations.md) and the suite uses it as it is`,
			{ cause },
		);
	}
}

function readIfThere(path: string): string | undefined {
	try {
		return readFileSync(path, 'utf8');
	} catch (cause) {
		if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw new BirthmarkError('config-invalid', `${path} cannot be read: ${(cause as Error).message}; mend it first`, { cause });
	}
}

/** The plugin into the engine's authorization chain, and out of it: the one thing that the engine's API cannot do. */

import { readFileSync } from 'node:fs';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkChain } from '#common/runtime/authorization-chain.ts';
import { writeFileAtomic, writeWhole } from '#common/runtime/atomic-file.ts';
import { findEngineProcess, flag, type EngineProcess } from '#common/runtime/engine-process.ts';
import { parseObject, setMember } from '#common/runtime/json-edit.ts';
import type { Undo } from './environment.ts';

const KEY = 'authorization-plugins';
const FLAG = 'authorization-plugin';
const MODE = 0o644;

/** A dockerode client, or anything that lists plugins like one. */
export interface PluginList {
	listPlugins(): Promise<ReadonlyArray<{ readonly Name: string; readonly Enabled: boolean }>>;
}

export interface ChainDeps {
	findEngine(socket: string): Pick<EngineProcess, 'pid' | 'args' | 'daemonJson'>;
	/** has the engine read its daemon.json */
	reload(pid: number): void;
}

const HOST: ChainDeps = { findEngine: findEngineProcess, reload: (pid) => void process.kill(pid, 'SIGHUP') };

/**
 * @param socket of an engine of this host
 * @param engine the same
 * @param undo gets what takes it out again, and nothing else that changed meanwhile
 * @throws BirthmarkError `enforcement-missing` without the right, or when the engine is on another host; `config-invalid`
 * when the chain of this engine is somewhere else; `setup-failed` when the engine would exit: nothing was changed then
 */
export async function addToChain(engine: PluginList, socket: string, plugin: string, undo: Undo, deps = HOST): Promise<void> {
	let isBegun = false;
	const change = async (edit: (chain: readonly string[]) => readonly string[]): Promise<void> => {
		// Asked each time: an engine that was started anew meanwhile is another process.
		const { pid, args, daemonJson } = find(socket, plugin, deps);
		// An engine whose daemon.json repeats a flag does not start any more.
		if (flag(args, FLAG) !== undefined) throw new BirthmarkError('config-invalid', `the engine at ${socket} is started with --${FLAG}: move the chain to ${daemonJson}, or add ${plugin} to it there`);
		const before = readIfThere(daemonJson);
		const text = before ?? '{}\n';
		const { [KEY]: chain = [] } = parseObject(text, daemonJson) as { [KEY]?: readonly string[] };
		const edited = edit(chain);
		checkChain(edited, (await engine.listPlugins()).map(({ Name, Enabled }) => ({ name: Name, enabled: Enabled })));
		// An empty list rather than none: what the file does not mention a running engine keeps as it was.
		const after = setMember(text, [KEY], edited);
		isBegun = true;
		await (before === undefined ? writeFileAtomic(daemonJson, after, MODE) : writeWhole(daemonJson, after));
		deps.reload(pid);
	};
	undo.push(async () => {
		if (isBegun) await change((chain) => chain.filter((name) => name !== plugin));
	});
	await change((chain) => [...chain.filter((name) => name !== plugin), plugin]);
}

function find(socket: string, plugin: string, deps: ChainDeps): ReturnType<ChainDeps['findEngine']> {
	try {
		return deps.findEngine(socket);
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

/**
 * daemon.json with `birthmark-runtime` in it and without it, as texts: what belongs to others stays to
 * the character (dockerd(8), "runtimes", "default-runtime", "authorization-plugins").
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { parseObject, removeMember, setMember } from '#common/runtime/json-edit.ts';
import { isNamed } from '#common/runtime/authorization-chain.ts';

export interface WantedRuntime {
	/** under which `docker run --runtime` knows it */
	readonly name: string;
	readonly program: string;
	readonly isDefault: boolean;
	/** the plugin to put into the authorization chain, if any */
	readonly plugin?: string;
}

/** What the file says of what setup changes. */
export interface DaemonSettings {
	readonly runtimes: Readonly<Record<string, unknown>> | undefined;
	readonly defaultRuntime: string | undefined;
	readonly chain: readonly string[] | undefined;
}

/** @throws BirthmarkError `config-invalid` for a text that the engine would not take either */
export function readSettings(text: string, path: string): DaemonSettings {
	const document = parseObject(text, path);
	const { runtimes, 'default-runtime': defaultRuntime, 'authorization-plugins': chain } = document;
	const fault = (what: string): never => {
		throw new BirthmarkError('config-invalid', `${path}: ${what}; mend it first`);
	};
	if (runtimes !== undefined && (typeof runtimes !== 'object' || runtimes === null || Array.isArray(runtimes))) fault('"runtimes" is no object');
	if (defaultRuntime !== undefined && typeof defaultRuntime !== 'string') fault('"default-runtime" is no text');
	if (chain !== undefined && !(Array.isArray(chain) && chain.every((name) => typeof name === 'string'))) fault('"authorization-plugins" is no list of names');
	return { runtimes: runtimes as Record<string, unknown> | undefined, defaultRuntime: defaultRuntime as string | undefined, chain: chain as string[] | undefined };
}

/** @throws BirthmarkError `config-invalid`; `setup-failed` when the name belongs to another runtime */
export function withRuntime(text: string, path: string, { name, program, isDefault, plugin }: WantedRuntime): string {
	const { runtimes, defaultRuntime, chain = [] } = readSettings(text, path);
	const there = runtimes?.[name];
	if (there !== undefined && !isRuntimeAt(there, program)) {
		throw new BirthmarkError('setup-failed', `${path} has another runtime under the name ${quote(name)}; undo that one first, or choose another name with --name`);
	}
	const steps: ReadonlyArray<(before: string) => string> = [
		(before) => (there === undefined ? setMember(before, ['runtimes', name], { path: program }) : before),
		(before) => (isDefault && defaultRuntime !== name ? setMember(before, ['default-runtime'], name) : before),
		(before) => (plugin !== undefined && !isInChain(chain, plugin) ? setMember(before, ['authorization-plugins'], [...chain, plugin]) : before),
	];
	return steps.reduce((before, step) => step(before), text);
}

/** What is taken out again. */
export interface AddedRuntime {
	readonly name: string;
	readonly program: string;
	/** what "default-runtime" said before; undefined for nothing */
	readonly defaultBefore?: string | undefined;
	/** the plugin that was put into the chain */
	readonly plugin?: string | undefined;
	/** of "runtimes" and "authorization-plugins" those that were there before, be they empty */
	readonly keys: readonly string[];
}

/** Nothing else than what was added goes, and only where nobody has changed it since. */
export function withoutRuntime(text: string, path: string, { name, program, defaultBefore, plugin, keys }: AddedRuntime): string {
	const { runtimes = {}, defaultRuntime, chain = [] } = readSettings(text, path);
	let after = text;
	if (isRuntimeAt(runtimes[name], program)) after = removeMember(after, Object.keys(runtimes).length === 1 && !keys.includes('runtimes') ? ['runtimes'] : ['runtimes', name]);
	if (defaultRuntime === name) after = defaultBefore === undefined ? removeMember(after, ['default-runtime']) : setMember(after, ['default-runtime'], defaultBefore);
	if (plugin !== undefined && chain.includes(plugin)) {
		const rest = chain.filter((other) => other !== plugin);
		after = rest.length === 0 && !keys.includes('authorization-plugins') ? removeMember(after, ['authorization-plugins']) : setMember(after, ['authorization-plugins'], rest);
	}
	return after;
}

/**
 * The same, said so that an engine that runs takes it up: what its file does not mention any more it
 * keeps as it was (moby, daemon/reload_unix.go).
 *
 * @param stock the runtime that is the default where the file names none
 */
export function saidAloud(text: string, path: string, stock: string): string {
	const { runtimes, defaultRuntime } = readSettings(text, path);
	const withRuntimes = runtimes === undefined ? setMember(text, ['runtimes'], {}) : text;
	return defaultRuntime === undefined ? setMember(withRuntimes, ['default-runtime'], stock) : withRuntimes;
}

/** @param plugin its name, which the engine takes with its tag and without */
export function isInChain(chain: readonly string[], plugin: string): boolean {
	return chain.some((name) => isNamed(name, plugin) || isNamed(plugin, name));
}

export function isRuntimeAt(runtime: unknown, program: string): boolean {
	return typeof runtime === 'object' && runtime !== null && 'path' in runtime && runtime.path === program;
}

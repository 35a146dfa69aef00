/**
 * What of a configuration can change while the CA runs. Everything can that is not bound to something
 * which stays: an open listener, the database, the names that certificates already have.
 */

import type { CaConfig } from './config.ts';

/** Paths of what is bound; what lies below is too. */
const BOUND = ['trustDomain', 'environment', 'listen.host', 'listen.port', 'database', 'publicHttp.host', 'publicHttp.port', 'metrics', 'keyEncryption', 'externalCa'];

export interface Reloadable {
	/** the new configuration, with what is bound as it was */
	readonly config: CaConfig;
	/** paths of what changes now */
	readonly changed: readonly string[];
	/** paths of what would, after a restart */
	readonly bound: readonly string[];
}

export function planReload(before: CaConfig, after: CaConfig): Reloadable {
	const different = [...new Set([...leaves(before).keys(), ...leaves(after).keys()])].filter((path) => leaves(before).get(path) !== leaves(after).get(path));
	const isBound = (path: string): boolean => BOUND.some((bound) => path === bound || path.startsWith(`${bound}.`));
	return {
		config: pick(before, after, '', isBound) as CaConfig,
		changed: different.filter((path) => !isBound(path)),
		bound: different.filter(isBound),
	};
}

type Tree = Readonly<Record<string, unknown>>;

function isTree(value: unknown): value is Tree {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function leaves(tree: Tree, prefix = ''): Map<string, string> {
	return new Map(Object.entries(tree).flatMap(([key, value]): [string, string][] => {
		return isTree(value) ? [...leaves(value, `${prefix}${key}.`)] : [[prefix + key, JSON.stringify(value)]];
	}));
}

function pick(before: unknown, after: unknown, path: string, isBound: (path: string) => boolean): unknown {
	if (isBound(path)) return before;
	if (!isTree(before) || !isTree(after)) return after;
	return Object.fromEntries(Object.keys(after).map((key) => [key, pick(before[key], after[key], path === '' ? key : `${path}.${key}`, isBound)]));
}

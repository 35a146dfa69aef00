/** Which of an engine's runtimes hands identities over: the one whose program is birthmark-runtime. */

import { posix } from 'node:path';

const PROGRAM = 'birthmark-runtime';

/** As much of what `GET /info` says as is needed. */
export interface EngineRuntimes {
	readonly Runtimes?: Readonly<Record<string, { readonly path?: string }>> | null;
	readonly DefaultRuntime?: string;
}

/** @returns the names of ours, and whether it is the one for containers that name none */
export function ourRuntimes({ Runtimes, DefaultRuntime = '' }: EngineRuntimes): { readonly names: readonly string[]; readonly isDefault: boolean } {
	const names = Object.entries(Runtimes ?? {}).flatMap(([name, { path = '' }]) => (posix.basename(path) === PROGRAM ? [name] : []));
	return { names, isDefault: names.includes(DefaultRuntime) };
}

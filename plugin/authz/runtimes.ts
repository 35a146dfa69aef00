/**
 * Whether a container has the runtime that hands identities over. The
 * engine writes the runtime of a container down when it creates it, and keeps to it from then on.
 */

import { posix } from 'node:path';
import { ourRuntimes } from '#common/protocol/engine-runtimes.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { EngineInfo } from '../docker.ts';

/** @param runtime the name that a container has; empty for the engine's default */
export function isOurRuntime(info: EngineInfo, runtime: string): boolean {
	const { names, isDefault } = ourRuntimes(info);
	return runtime === '' ? isDefault : names.includes(runtime);
}

/** Programs that the engine runs as root for containers; with ours what lies beside it: its settings, and what root's undo goes by. */
export function runtimePaths(info: EngineInfo): string[] {
	const { names } = ourRuntimes(info);
	return Object.entries(info.Runtimes ?? {}).flatMap(([name, { path = '' }]) => {
		if (!posix.isAbsolute(path)) return [];
		return names.includes(name) ? [path, `${path}.conf`, posix.join(posix.dirname(path), 'engine-setup.json')] : [path];
	});
}

/** What a user adds to have it, or does first. */
export function runtimeOption(info: EngineInfo): string {
	const [name] = ourRuntimes(info).names;
	return name === undefined ? 'set the runtime up (birthmark engine setup)' : `use --runtime ${name}`;
}

/** The label would do nothing with another runtime. @param remedy what to do to have ours */
export function agentNeedsRuntime(remedy: string): BirthmarkError {
	return new BirthmarkError('label-illegal', `the label birthmark.agent=exec is for birthmark-runtime, which puts the agent in front of the application; ${remedy}, or make the agent the entry point yourself`);
}

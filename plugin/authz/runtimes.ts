/**
 * Which of the engine's runtimes hands identities over: the one whose program is birthmark-runtime. The
 * engine writes the runtime of a container down when it creates it, and keeps to it from then on.
 */

import { posix } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { EngineInfo } from '../docker.ts';

const PROGRAM = 'birthmark-runtime';

/** @returns the names of ours, and whether it is the one for containers that name none */
export function ourRuntimes({ Runtimes, DefaultRuntime = '' }: EngineInfo): { readonly names: readonly string[]; readonly isDefault: boolean } {
	const names = Object.entries(Runtimes ?? {}).flatMap(([name, { path = '' }]) => (posix.basename(path) === PROGRAM ? [name] : []));
	return { names, isDefault: names.includes(DefaultRuntime) };
}

/** @param runtime the name that a container has; empty for the engine's default */
export function isOurRuntime(info: EngineInfo, runtime: string): boolean {
	const { names, isDefault } = ourRuntimes(info);
	return runtime === '' ? isDefault : names.includes(runtime);
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

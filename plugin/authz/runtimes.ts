/**
 * Whether a container has the runtime that hands identities over. The
 * engine writes the runtime of a container down when it creates it, and keeps to it from then on.
 */

import { ourRuntimes } from '#common/protocol/engine-runtimes.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { EngineInfo } from '../docker.ts';

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

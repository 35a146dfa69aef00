/**
 * The runtime as the agent gets it: Bun's executable with two habits taken out that would reach the
 * application. Bytes are replaced by as many others, so that no offset changes.
 */

import { StepError } from './steps.ts';

/**
 * Settings that the runtime itself takes from the environment: command line options, a debugger
 * port, becoming a JavaScript shell. The environment of a container is its application's, which may
 * run on the same runtime; the process that holds the private key must not listen to it. These names
 * nobody sets.
 */
const ENVIRONMENT = ['BUN_OPTIONS', 'BUN_BE_BUN', 'BUN_INSPECT'].map((name) => [name, name.replace('BUN_', 'bmk_')] as const);

/**
 * At its start the runtime raises the soft limit of open files to the hard one, which every child
 * inherits, and which breaks programs that count on 1024 (select(2)) or close all that there could be.
 * As a name of the dynamic linker: the call that would set a limit asks for it.
 */
const LIMITS = [['\0setrlimit\0', '\0getrlimit\0']] as const;

/** @throws StepError when this version of the runtime does these things in another way */
export function withoutHabits(runtime: Buffer): Buffer {
	for (const [habit, harmless] of [...ENVIRONMENT, ...LIMITS]) {
		let position = runtime.indexOf(habit);
		if (position === -1) {
			throw new StepError(`the runtime has no ${habit.replaceAll('\0', '')} any more`, 'see what this version of Bun does instead, then adapt scripts/agent-runtime.ts');
		}
		for (; position !== -1; position = runtime.indexOf(habit, position)) runtime.write(harmless, position, 'latin1');
	}
	return runtime;
}

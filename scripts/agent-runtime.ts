/**
 * The runtime as the agent gets it: Bun's executable with a habit taken out that would reach the
 * application. Bytes are replaced by as many others, so that no offset changes.
 */

import { StepError } from './steps.ts';

/**
 * At its start the runtime raises the soft limit of open files to the hard one, which every child
 * inherits, and which breaks programs that count on 1024 (select(2)) or close all that there could be.
 * As a name of the dynamic linker: the call that would set a limit asks for it.
 */
const RAISES_LIMIT = '\0setrlimit\0';
const ASKS_FOR_LIMIT = '\0getrlimit\0';

/** @throws StepError when this version of the runtime does it in another way */
export function withoutRaisedLimit(runtime: Buffer): Buffer {
	let position = runtime.indexOf(RAISES_LIMIT);
	if (position === -1) throw new StepError('the runtime calls no setrlimit any more', 'see what this version of Bun does to the limit of open files, then adapt scripts/agent-runtime.ts');
	for (; position !== -1; position = runtime.indexOf(RAISES_LIMIT, position)) runtime.write(ASKS_FOR_LIMIT, position, 'latin1');
	return runtime;
}

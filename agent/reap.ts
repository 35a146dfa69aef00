/**
 * The duty of process 1: orphans of the application become the agent's children and stay zombies unless
 * somebody waits for them.
 *
 * What the agent has started itself, the application above all, must be left to the runtime, which waits
 * for each by its id to learn the exit code. So each child that has ended is looked at first and reaped
 * only when it is another one.
 */

import { loadNative } from './native.ts';

/**
 * Reaps orphans at every SIGCHLD. Does nothing when the process is not process 1, or not the compiled agent.
 *
 * @param isOurs children that are not to be touched
 * @returns a function that looks again: to be called when one of those has ended, behind which others may have waited
 * @throws when the agent is not complete
 */
export function reapOrphans(isOurs: (pid: number) => boolean): () => void {
	const native = process.pid === 1 ? loadNative() : undefined;
	if (native === undefined) return () => {};
	const reap = (): void => {
		for (;;) {
			const pid = native.endedChild();
			// One of ours hides those behind it for as long as the runtime has not waited for it.
			if (pid === 0 || isOurs(pid)) return;
			native.reap(pid);
		}
	};
	process.on('SIGCHLD', reap);
	reap();
	return reap;
}

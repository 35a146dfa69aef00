/** The system calls of start/calls.c, which the compiled agent has and Node does not. */

import { dirname, join } from 'node:path';

export interface Native {
	/** @returns a child that has ended and that nobody has waited for, 0 when there is none */
	endedChild(): number;
	/** Waits for it, which returns at once when it has ended. */
	reap(pid: number): void;
	/** The working directory becomes the root, the user of the command line the only one (start/confine.c). @throws Error whose `code` is the call that failed */
	confine(): void;
	/** SIGIO comes once, after the next rename within this directory or into it, or new name in it, if it is open then (fcntl(2), F_NOTIFY). @throws Error whose `code` is `fcntl` */
	noticeRename(directoryFd: number): void;
	/** Descriptors of two connected sockets, which whoever takes them closes. @throws Error whose `code` is `socketpair` */
	socketPair(): [number, number];
}

/** start/start.c puts it into the agent's environment, and looks for it in that of a child. */
export const START_MARKER = 'BIRTHMARK_START';

/** @returns undefined when this is not the compiled agent */
export function loadNative(): Native | undefined {
	if (process.env[START_MARKER] === undefined) return undefined;
	const module = { exports: {} };
	process.dlopen(module, join(dirname(process.execPath), 'libbirthmark-start.so'));
	return module.exports as Native;
}

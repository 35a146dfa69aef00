/**
 * Notice of renames within a directory (fcntl(2), F_NOTIFY): the kernel sends SIGIO.
 *
 * Old, and what fits here: unlike an inotify instance it counts against no limit of the user, of which
 * there are 128 for all containers of one user together, and the host's own programs if that is root; and it
 * takes no thread. It does not say which name it was, which is no matter.
 */

import { closeSync, openSync } from 'node:fs';
import { loadNative } from './native.ts';

/**
 * @param onRename called after each rename in the directory or into it, and now and then without one
 * @returns a function that ends it; undefined under Node, where there is no such notice
 * @throws Error when the directory cannot be opened, or the kernel has no such notice
 */
export function noticeRenames(directory: string, onRename: () => void): (() => void) | undefined {
	const native = loadNative();
	if (native === undefined) return undefined;
	// First, and for good: a process without a handler is ended by this signal.
	process.on('SIGIO', onRename);
	const directoryFd = openSync(directory, 'r');
	try {
		native.noticeRenames(directoryFd);
	} catch (error) {
		closeSync(directoryFd);
		throw error;
	}
	return () => closeSync(directoryFd);
}

/**
 * Notice of renames within a directory (fcntl(2), F_NOTIFY): the kernel sends SIGIO.
 *
 * Old, and what fits here: unlike an inotify instance it counts against no limit of the user, of which
 * there are 128 for all containers of one user together, and the host's own programs if that is root; and it
 * takes no thread. It does not say which name it was, which is no matter. It comes once and is asked for
 * anew after a pause: whoever renames in a loop costs this process, which may be the node's, nothing more.
 */

import { closeSync, openSync } from 'node:fs';
import { loadNative, type Native } from './native.ts';

/** What is put in place under another name first is there by then. */
const PAUSE_MS = 25;

/**
 * @param onRename called soon after renames in the directory or into it, and now and then without one
 * @returns a function that ends it; undefined under Node, where there is no such notice
 * @throws Error when the directory cannot be opened, or the kernel has no such notice
 */
export function noticeRenames(directory: string, onRename: () => void, native: Pick<Native, 'noticeRename'> | undefined = loadNative()): (() => void) | undefined {
	if (native === undefined) return undefined;
	const directoryFd = openSync(directory, 'r');
	let isClosed = false;
	let pause: NodeJS.Timeout | undefined;
	const again = (): void => {
		pause = undefined;
		try {
			// Before the look: what comes after it is told.
			native.noticeRename(directoryFd);
		} catch {
			// The kernel has no memory for it, or the host's administrator has turned it off meanwhile
			// (fs.dir-notify-enable): from now on it is as where there is none, and no reason to end.
		}
		onRename();
	};
	// First, and for good: a process without a handler is ended by this signal.
	process.on('SIGIO', () => {
		if (!isClosed) pause ??= setTimeout(again, PAUSE_MS);
	});
	const close = (): void => {
		isClosed = true;
		clearTimeout(pause);
		closeSync(directoryFd);
	};
	try {
		native.noticeRename(directoryFd);
	} catch (error) {
		close();
		throw error;
	}
	return close;
}

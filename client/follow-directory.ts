/**
 * Follows names in a directory by a watch of the kernel's where there is one. A user has a bounded number
 * of inotify instances (`fs.inotify.max_user_instances`, 128 on many hosts), which all containers of that
 * user share. Without one the names are looked at every two seconds, until there is one.
 */

import type { watch } from 'node:fs';
import { lookAtDirectory } from './directory-look.ts';
import { watchDirectory, type DirectoryWatch } from './directory-watch.ts';

export interface FollowOptions {
	/** changes of other names wake nobody */
	readonly names: readonly string[];
	/** at least once after each change */
	readonly onChange: () => void;
	/** nothing more is told after it */
	readonly onFault: (cause: Error) => void;
	readonly intervalMs?: number;
	/** Node's own when absent */
	readonly watch?: typeof watch;
}

const INTERVAL_MS = 2_000;
/** What inotify_init(2) and inotify_add_watch(2) say when there are too many, and where a sandbox has none. */
const NO_WATCH: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOSPC', 'ENOMEM', 'ENOSYS'];

/** @throws the system's error when the directory can be followed in neither way */
export function followDirectory(directory: string, { names, onChange, onFault, intervalMs = INTERVAL_MS, watch }: FollowOptions): DirectoryWatch {
	let isRef = false;
	let isClosed = false;
	let following = begin();

	function begin(): DirectoryWatch {
		return tryWatch() ?? lookAtDirectory(directory, { names, intervalMs, onChange, onLook: change });
	}

	/** @returns undefined where there is no watch to be had */
	function tryWatch(): DirectoryWatch | undefined {
		try {
			return watchDirectory(directory, { names, onChange, onFault: lose, ...(watch && { watch }) });
		} catch (cause) {
			if (isMissing(cause)) return undefined;
			throw cause;
		}
	}

	function lose(cause: Error): void {
		if (isClosed) return;
		if (!isMissing(cause)) return onFault(cause);
		try {
			use(begin());
		} catch (again) {
			onFault(again as Error);
		}
	}

	/** From looking to watching, as soon as that is possible. */
	function change(): void {
		if (isClosed) return;
		let watching: DirectoryWatch | undefined;
		try {
			watching = tryWatch();
		} catch {
			return; // what cannot be watched, for a reason of its own, is looked at further
		}
		if (watching) use(watching);
	}

	function use(next: DirectoryWatch): void {
		following.close();
		following = next;
		if (isRef) following.ref();
		// What happened in between was told by neither.
		onChange();
	}

	return {
		ref: () => {
			isRef = true;
			following.ref();
		},
		unref: () => {
			isRef = false;
			following.unref();
		},
		close: () => {
			isClosed = true;
			following.close();
		},
	};
}

function isMissing(cause: unknown): boolean {
	return cause instanceof Error && 'code' in cause && NO_WATCH.includes(cause.code);
}

/**
 * Tells when names in a directory change, by inotify(7) and without polling. The directory may come
 * later and may be replaced: until it is there, the nearest one above it is watched.
 */

import { statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';

export interface DirectoryWatch {
	/** Keeps the process alive, as by default it does not. */
	ref(): void;
	unref(): void;
	close(): void;
}

export interface DirectoryWatchOptions {
	/** changes of other names wake nobody */
	readonly names: readonly string[];
	/** once for all that happened at the same time */
	readonly onChange: () => void;
	/** nothing more is told after it: the kernel gives no watch */
	readonly onFault: (cause: Error) => void;
	/** Node's own when absent */
	readonly watch?: typeof watch;
}

/** @throws the system's error when nothing can be watched */
export function watchDirectory(directory: string, { names, onChange, onFault, watch: open = watch }: DirectoryWatchOptions): DirectoryWatch {
	const target = resolve(directory);
	// A watched directory that is moved or removed is told by its own name.
	const wanted = new Set([...names, basename(target)]);
	let watcher: FSWatcher | undefined;
	let watched = '';
	/** of what is watched; undefined once that is known to be gone */
	let inode: bigint | undefined;
	let isRef = false;
	let isClosed = false;
	let scheduled: NodeJS.Immediate | undefined;

	/** Watches the directory, or the nearest above it, until nothing came into being meanwhile that is nearer. */
	function follow(): void {
		while (inode === undefined || inodeOf(watched) !== inode || (watched !== target && inodeOf(nextBelow()) !== undefined)) arm();
	}

	function arm(): void {
		watcher?.close();
		for (let path = target; ; path = dirname(path)) {
			try {
				inode = statSync(path, { bigint: true }).ino;
				watcher = open(path, { persistent: isRef });
				watched = path;
				break;
			} catch (cause) {
				if (!isMissing(cause) || path === dirname(path)) throw cause;
			}
		}
		watcher.on('change', (_, name) => {
			if (watched !== target || name === null || wanted.has(String(name))) schedule(String(name) === basename(watched));
		});
		watcher.on('error', onFault);
	}

	function schedule(isGone: boolean): void {
		// The number of a removed directory may be given to the one that takes its place.
		if (isGone) inode = undefined;
		scheduled ??= setImmediate(() => {
			scheduled = undefined;
			if (isClosed) return;
			try {
				follow();
			} catch (cause) {
				onFault(cause as Error);
				return;
			}
			onChange();
		});
	}

	function nextBelow(): string {
		let path = target;
		while (dirname(path) !== watched) path = dirname(path);
		return path;
	}

	follow();
	return {
		ref: () => {
			isRef = true;
			watcher?.ref();
		},
		unref: () => {
			isRef = false;
			watcher?.unref();
		},
		close: () => {
			isClosed = true;
			clearImmediate(scheduled);
			watcher?.close();
		},
	};
}

function inodeOf(path: string): bigint | undefined {
	return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function isMissing(cause: unknown): boolean {
	return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

/**
 * A file system of a few megabytes in a mount namespace of its own: no right of root is needed, and it
 * goes with the test. Programs run in it with {@link SmallDisk.enter}, the test reaches its files below
 * {@link SmallDisk.outside}.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface SmallDisk {
	/** where the file system is for those in the namespace */
	readonly inside: string;
	/** the same directory for everybody else */
	readonly outside: string;
	/** command line to put before that of a program that is to see it */
	readonly enter: readonly string[];
	/** Takes up what is free, but for so many bytes. */
	fill(spareBytes?: number): void;
	/** Gives it back. */
	free(): void;
}

/** False where namespaces are forbidden to this user. */
export function canMakeDisks(): boolean {
	return spawnSync('unshare', ['--map-root-user', '--mount', 'true']).status === 0;
}

/** @param directory empty; the file system lies over it */
export async function smallDisk(t: { teardown(clean: () => unknown): void }, directory: string, size: string): Promise<SmallDisk> {
	const script = 'mount -t tmpfs -o "size=$2" tmpfs "$1" && echo ready && exec cat';
	// It ends with its input, hence with the test, however that ends.
	const holder = spawn('unshare', ['--map-root-user', '--mount', 'sh', '-c', script, 'sh', directory, size], { stdio: ['pipe', 'pipe', 'inherit'] });
	t.teardown(async () => {
		const gone = once(holder, 'exit');
		holder.stdin.end();
		await gone;
	});
	await once(holder.stdout, 'data');
	const outside = `/proc/${holder.pid}/root${directory}`;
	const filler = join(outside, 'filler');
	return {
		inside: directory,
		outside,
		enter: ['nsenter', '--preserve-credentials', '--user', '--mount', '--target', String(holder.pid)],
		fill(spareBytes = 0) {
			const { bavail, bsize } = statfsSync(outside);
			const file = openSync(filler, 'a');
			try {
				for (let left = bavail * bsize - spareBytes; left > 0; left -= bsize) writeSync(file, Buffer.alloc(Math.min(left, bsize)));
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
			} finally {
				closeSync(file);
			}
		},
		free: () => rmSync(filler, { force: true }),
	};
}

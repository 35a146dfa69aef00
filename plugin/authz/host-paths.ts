/**
 * Paths on the host that a request names, followed through the host's symbolic links as the engine
 * will follow them at start. A link that is exchanged between create and start is not seen here.
 */

import { readlink } from 'node:fs/promises';
import { posix } from 'node:path';

/** path_resolution(7): the kernel gives up after 40 */
const MAX_LINKS = 40;
/** PATH_MAX, path_resolution(7): to the kernel a longer one leads nowhere */
const MAX_PATH = 4096;
/** proc_pid(5): `cwd`, `root`, `fd` in it lead somewhere else for every process that looks. */
const PROCESS = /^\/proc\/(?:self|thread-self|[0-9]+)$/;

/**
 * @param root where the host's file system is seen, e.g. `/proc/1/root`; links are followed within it
 * @param path absolute, on the host; parts that do not exist are kept as they are
 * @param look readlink(2), asked once for every part; what it throws at once ends the search
 * @returns the path without links, `.` and `..`; undefined when it is longer than one can be, when there are too many links,
 * or when it leads through the directory of a process: that is another one for the engine and for the container's runtime
 */
export async function resolveOnHost(root: string, path: string, look: (path: string) => Promise<string> = readlink): Promise<string | undefined> {
	if (path.length > MAX_PATH) return undefined;
	let resolved = '/';
	const pending = path.split('/').reverse();
	let links = 0;
	while (pending.length > 0) {
		const part = pending.pop()!;
		if (part === '' || part === '.') continue;
		if (part === '..') {
			resolved = posix.dirname(resolved);
			continue;
		}
		const next = posix.join(resolved, part);
		if (next.length > MAX_PATH || PROCESS.test(next)) return undefined;
		const target = await look(root + next).catch(() => undefined);
		if (target === undefined) {
			resolved = next;
			continue;
		}
		if (++links > MAX_LINKS) return undefined;
		if (target.startsWith('/')) resolved = '/';
		pending.push(...target.split('/').reverse());
	}
	return resolved;
}

/** True when one of the two paths holds the other, or they are the same. Both absolute and clean. */
export function overlaps(a: string, b: string): boolean {
	return isWithin(a, b) || isWithin(b, a);
}

/** True when `path` is `directory` or below it. */
export function isWithin(path: string, directory: string): boolean {
	return path === directory || path.startsWith(directory === '/' ? '/' : directory + '/');
}

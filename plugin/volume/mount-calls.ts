/**
 * mount(2) and umount2(2), called in the C library of this very process: no program is started for
 * them, which under load costs a start of a container a hundred times as much (docs/adr/0031).
 *
 * The calls do not wait for a device: tmpfs and binds only. `node:ffi` is experimental in the version
 * of Node that the plugin brings along; nothing else here uses it.
 */

import { dlopen, getInt32 } from 'node:ffi';
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { getSystemErrorName } from 'node:util';

/** linux/mount.h */
const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MS_REC = 16384;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const { functions: libc } = dlopen(null, {
	mount: { arguments: ['string', 'string', 'string', 'uint64', 'string'], return: 'int32' },
	umount2: { arguments: ['string', 'int32'], return: 'int32' },
	__errno_location: { arguments: [], return: 'pointer' },
});

/** @param options of the file system, `size=1m,mode=700`; devices, programs and set-uid are off in any case @throws Error with a `code` such as `EPERM` */
export function mountTmpfs(target: string, options: string): void {
	mount('birthmark', target, 'tmpfs', MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
}

/** A bind that copies no mounts below `source`. @throws Error with a `code` */
export function bind(source: string, target: string): void {
	mount(source, target, null, MS_BIND, null);
}

/** With what is mounted below `source`. @throws Error with a `code` */
export function bindTree(source: string, target: string): void {
	mount(source, target, null, MS_BIND | MS_REC, null);
}

/** Of a mount that is there, for whoever sees it by this mount. @throws Error with a `code` */
export function makeReadOnly(target: string): void {
	mount(null, target, null, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, null);
}

/**
 * Binds onto a directory whose parent belongs to somebody hostile: whatever the name becomes
 * meanwhile, the mount goes onto the directory that was opened.
 *
 * @throws Error when `target` is no directory, a link to one included
 */
export async function bindOnto(source: string, target: string): Promise<void> {
	const directory = await open(target, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
	try {
		bind(source, `/proc/self/fd/${directory.fd}`);
	} finally {
		await directory.close();
	}
}

/**
 * Unmounts a directory and what is mounted in it; who uses it keeps it until he is done. Not being
 * mounted, or not being there, is fine.
 *
 * @throws Error with a `code`
 */
export function unmount(directory: string): void {
	// More than one mount can lie on the same place, e.g. after a crash in the middle of mounting.
	while (libc.umount2(directory, MNT_DETACH | UMOUNT_NOFOLLOW) === 0);
	const error = lastError(`umount ${directory}`);
	if (error.code !== 'EINVAL' && error.code !== 'ENOENT') throw error;
}

/** Every mount point that this process sees (proc_pid_mountinfo(5), field 5). */
export async function mountPoints(): Promise<string[]> {
	const table = await readFile('/proc/self/mountinfo', 'utf8');
	return table.split('\n').flatMap((line) => line.split(' ')[4] ?? []).map(unescapePath);
}

function mount(source: string | null, target: string, type: string | null, flags: number, options: string | null): void {
	if (libc.mount(source, target, type, BigInt(flags), options) !== 0) throw lastError(`mount ${target}`);
}

/** Of the call just made: nothing may come in between. */
function lastError(what: string): NodeJS.ErrnoException {
	const errno = getInt32(libc.__errno_location());
	const code = getSystemErrorName(-errno);
	return Object.assign(new Error(`${what}: ${code}`), { code, errno });
}

/** In tables of mounts, blanks and backslashes stand as octal escapes. */
export function unescapePath(path: string): string {
	return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

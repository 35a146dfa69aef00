/** Files that are there whole or not at all, and stay after a crash. */

import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomBytes } from 'node:crypto';

/**
 * Writes beside the target, flushes to the disk, renames over it and flushes the directory.
 *
 * @param mode permission bits of the new file, regardless of the umask
 * @param owner user and group id; those of the process when absent
 */
export async function writeFileAtomic(path: string, data: Uint8Array | string, mode: number, owner?: { uid: number; gid: number }): Promise<void> {
	const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
	try {
		const file = await open(temporary, 'wx', 0o600);
		try {
			await file.writeFile(data);
			if (owner) await file.chown(owner.uid, owner.gid);
			await file.chmod(mode);
			await file.sync();
		} finally {
			await file.close();
		}
		await rename(temporary, path);
	} catch (error) {
		await rm(temporary, { force: true });
		throw error;
	}
	const directory = await open(dirname(path), 'r');
	try {
		await directory.sync();
	} finally {
		await directory.close();
	}
}

/** Replaces what a file holds and keeps its mode and owner; a link to it stays one. */
export async function writeWhole(path: string, text: string): Promise<void> {
	const target = await realpath(path);
	const { mode, uid, gid } = await stat(target);
	await writeFileAtomic(target, text, mode & 0o777, { uid, gid });
}

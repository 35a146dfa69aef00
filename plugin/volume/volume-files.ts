/**
 * Writing into an identity volume. After the start the directory belongs to the container's user and
 * is hostile: names may be links, directories, or gone. Files are made under a fresh name, never
 * through a link, and put in place by rename, which follows none.
 */

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * @param directory the volume's mount point, which the container cannot exchange
 * @param owner root when absent
 * @throws Error, `ENOSPC` and `EISDIR` among them; nothing is left behind then
 */
export async function writeVolumeFile(directory: string, name: string, data: string, mode: number, owner = { uid: 0, gid: 0 }): Promise<void> {
	const temporary = join(directory, `.${name}.${randomBytes(8).toString('hex')}`);
	const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
	try {
		await file.writeFile(data);
		await file.chown(owner.uid, owner.gid);
		await file.chmod(mode);
		await file.close();
		await rename(temporary, join(directory, name));
	} catch (error) {
		await file.close().catch(() => undefined);
		await rm(temporary, { force: true });
		throw error;
	}
}

/** A finished file takes a name that nobody has: by link(2), which, as against rename(2), replaces nothing. */

import { link, open, rename, rm } from 'node:fs/promises';

/** What file systems without hard links answer: FAT, and some that are reached over a network or through FUSE. */
const WITHOUT_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

/**
 * @param unfinished in the same folder; it is gone afterwards, unless this fails
 * @param makeLink as node:fs has it
 * @throws what the file system answers, `EEXIST` when somebody has that name
 */
export async function takeNewName(unfinished: string, path: string, makeLink = link): Promise<void> {
	try {
		await makeLink(unfinished, path);
	} catch (error) {
		if (!WITHOUT_LINKS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
		// The name is taken first, by an empty file: what is replaced then is that, and whoever comes later finds it.
		await open(path, 'wx', 0o600).then((file) => file.close());
		return rename(unfinished, path).catch(async (cause: unknown) => {
			await rm(path, { force: true });
			throw cause;
		});
	}
	await rm(unfinished);
}

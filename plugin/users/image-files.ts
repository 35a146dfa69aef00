/**
 * Small files of an image, read by the engine: by a container of it that is never started, because the
 * engine shows files of containers only. So links are followed as the engine follows them.
 */

import { randomBytes } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { EngineContainer, EngineImage, FileInContainer } from '../docker.ts';
import { firstTarEntry } from './tar-entry.ts';

/** Its value tells the processes apart that made them. */
export const LOOKUP_LABEL = 'internal.birthmark.lookup';
/** A passwd file of that size has thousands of users. */
export const MAX_FILE_BYTES = 256 * 1024;

export interface ImageFilesDeps {
	readonly engine: {
		createUnstarted(image: string, labels: Readonly<Record<string, string>>, emptyPaths: readonly string[]): Promise<string>;
		/** at most `maxBytes`, undefined when it is not there */
		fileIn(containerId: string, path: string, maxBytes: number): Promise<FileInContainer | undefined>;
		removeContainer(containerId: string): Promise<void>;
		containers(filters: Record<string, readonly string[]>): Promise<readonly EngineContainer[]>;
	};
	readonly logger: Pick<Logger, 'warn'>;
}

export interface ImageFiles {
	/**
	 * @param paths absolute
	 * @returns the contents, in that order; empty for a file that is not there
	 * @throws BirthmarkError `engine-unavailable` for what is too large, no file, or could not be read
	 */
	read(image: EngineImage, paths: readonly string[]): Promise<string[]>;
	/** Removes the containers that a process before this one may have left. */
	cleanUp(): Promise<void>;
}

export function createImageFiles({ engine, logger }: ImageFilesDeps): ImageFiles {
	const process = randomBytes(8).toString('hex');
	const remove = (id: string): Promise<void> =>
		engine.removeContainer(id).catch((error: unknown) => logger.warn('a container that was made to look into an image could not be removed', { containerId: id, error }));

	async function file(id: string, path: string): Promise<string> {
		const found = await engine.fileIn(id, path, MAX_FILE_BYTES);
		const entry = found && firstTarEntry(found.archive);
		if (entry?.type !== 'link') return content(path, found, entry);
		// The engine names the end of the whole chain.
		const end = await engine.fileIn(id, found!.linkTarget, MAX_FILE_BYTES);
		return content(path, end, end && firstTarEntry(end.archive));
	}

	return {
		async read(image, paths) {
			// Volumes that the image declares would be filled with copies of its files.
			const id = await engine.createUnstarted(image.Id, { [LOOKUP_LABEL]: process }, Object.keys(image.Config?.Volumes ?? {}));
			try {
				const contents: string[] = [];
				for (const path of paths) contents.push(await file(id, path));
				// Somebody may have removed it (docker container prune): then nothing was there to be found.
				if (contents.includes('') && !(await engine.containers({ id: [id] })).some(({ Id }) => Id === id)) {
					throw new BirthmarkError('engine-unavailable', 'the container that was made to look into the image was removed meanwhile; try again');
				}
				return contents;
			} finally {
				await remove(id);
			}
		},
		async cleanUp() {
			const left = (await engine.containers({ label: [LOOKUP_LABEL] })).filter(({ Labels }) => Labels?.[LOOKUP_LABEL] !== process);
			await Promise.all(left.map(({ Id }) => remove(Id)));
		},
	};
}

function content(path: string, found: FileInContainer | undefined, entry: ReturnType<typeof firstTarEntry>): string {
	if (!found) return '';
	if (entry?.type !== 'file') throw new BirthmarkError('engine-unavailable', `${path} of the image is no file; say the user in numbers, with --user UID:GID`);
	return Buffer.from(entry.content, 'latin1').toString('utf8');
}

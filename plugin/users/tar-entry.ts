/** The first entry of a tar archive (POSIX.1-2017, pax; ustar), as the engine's archive call makes it for one file. */

export interface TarEntry {
	readonly type: 'file' | 'link' | 'other';
	/** one character for each byte; empty for anything but a file */
	readonly content: string;
}

const BLOCK = 512;
const SIZE = [124, 136] as const;
const TYPE = 156;
/** Headers of the entry that follows: its long name, its times. */
const EXTENSIONS = ['x', 'g', 'L', 'K'];

/**
 * @param archive one character for each byte (latin1)
 * @returns undefined for what is no archive, or one that ends in the middle
 */
export function firstTarEntry(archive: string): TarEntry | undefined {
	for (let at = 0; at + BLOCK <= archive.length; ) {
		const header = archive.slice(at, at + BLOCK);
		const octal = /^ *([0-7]+)[ \0]*$/.exec(header.slice(...SIZE))?.[1];
		if (octal === undefined || !header.startsWith('ustar', 257)) return undefined;
		const size = Number.parseInt(octal, 8);
		const type = header[TYPE]!;
		if (!EXTENSIONS.includes(type)) {
			if (type === '2') return { type: 'link', content: '' };
			if (type !== '0' && type !== '\0') return { type: 'other', content: '' };
			const content = archive.slice(at + BLOCK, at + BLOCK + size);
			return content.length === size ? { type: 'file', content } : undefined;
		}
		at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
	}
	return undefined;
}

/** What setup remembers for undo, beside the program: what was in daemon.json before. */

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';

export interface SetupNotes {
	readonly version: 1;
	/** the runtime, and where it was installed */
	readonly name: string;
	readonly program: string;
	/** what "default-runtime" said; absent when it said nothing */
	readonly defaultBefore?: string;
	/** the plugin that was put into the authorization chain */
	readonly plugin?: string;
	/** of "runtimes" and "authorization-plugins" those that were there */
	readonly keys: readonly string[];
	/** there was no daemon.json */
	readonly madeFile: boolean;
	/** copies of daemon.json, the oldest first */
	readonly backups: readonly string[];
	/** daemon.json was being put back: as it is for the moment, and as it is to be; absent for none at all */
	readonly unfinished?: { readonly aloud: string; readonly text?: string };
}

export interface NotesFile {
	/** undefined before the first setup, and after an undo @throws BirthmarkError `config-invalid` for what is none */
	read(): SetupNotes | undefined;
	write(notes: SetupNotes): Promise<void>;
	remove(): void;
}

export function createNotesFile(path: string): NotesFile {
	return {
		read() {
			if (!existsSync(path)) return undefined;
			const notes = parse(path);
			if (notes.version !== 1) throw new BirthmarkError('config-invalid', `${path} was written by another version of this command; use that one`);
			return notes;
		},
		async write(notes) {
			mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
			await writeFileAtomic(path, JSON.stringify(notes, undefined, '\t') + '\n', 0o644);
		},
		remove: () => rmSync(path, { force: true }),
	};
}

/** Undo writes daemon.json by it: what is damaged is not guessed at. */
function parse(path: string): SetupNotes {
	let notes: Partial<SetupNotes> | null = null;
	let cause: unknown;
	try {
		notes = JSON.parse(readFileSync(path, 'utf8')) as Partial<SetupNotes> | null;
	} catch (error) {
		cause = error;
	}
	const isOfOther = notes?.version !== undefined && notes.version !== 1;
	if (notes && (isOfOther || (typeof notes.name === 'string' && typeof notes.program === 'string' && Array.isArray(notes.keys) && Array.isArray(notes.backups)))) return notes as SetupNotes;
	const why = cause === undefined ? 'it is not what setup writes' : (cause as Error).message;
	throw new BirthmarkError('config-invalid', `${path}, by which setup is undone, cannot be read: ${why}; put it back from a backup, or take out of daemon.json by hand what setup put there and remove the file`, { cause });
}

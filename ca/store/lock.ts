/**
 * One process per state folder: a second one on the same database would go on publishing a
 * revocation list that lacks what the first has revoked since.
 *
 * The lock is SQLite's on a file of its own, and so the kernel's: it ends with the process, however
 * that ends, and leaves the database open to backups.
 */

import { DatabaseSync } from 'node:sqlite';
import { BirthmarkError } from '#common/protocol/errors.ts';

export interface Lock {
	release(): void;
}

/** SQLITE_BUSY */
const BUSY = 5;

/** @throws BirthmarkError `ca-exists` while another process holds it */
export function holdLock(path: string): Lock {
	const file = new DatabaseSync(path);
	try {
		file.exec('BEGIN EXCLUSIVE');
	} catch (cause) {
		file.close();
		if ((cause as { errcode?: unknown }).errcode !== BUSY) throw cause;
		throw new BirthmarkError('ca-exists', `another process serves this CA already and holds ${path}: stop it first`, { cause });
	}
	return { release: () => file.close() };
}

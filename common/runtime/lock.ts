/**
 * One process at a time. The lock is SQLite's on a file of its own, and so the kernel's: it ends with the
 * process, however that ends, and leaves no lock behind that nobody holds.
 */

import { DatabaseSync } from 'node:sqlite';

export interface Lock {
	release(): void;
}

/** SQLITE_BUSY */
const BUSY = 5;

/** @param path of a file for nothing else, which stays @returns undefined while somebody else holds it */
export function tryLock(path: string): Lock | undefined {
	const file = new DatabaseSync(path);
	try {
		file.exec('BEGIN EXCLUSIVE');
	} catch (error) {
		file.close();
		if ((error as { errcode?: unknown }).errcode !== BUSY) throw error;
		return undefined;
	}
	return { release: () => file.close() };
}

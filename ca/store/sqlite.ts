/** The store in one SQLite file. */

import { createStore } from './create-store.ts';
import { openSqliteDatabase } from './sqlite-database.ts';
import type { Store } from './store.ts';

/**
 * Opens or creates the file and brings its schema up to date.
 *
 * @throws BirthmarkError `ca-missing` when a newer version of the program has written it
 */
export function openSqliteStore(path: string): Store {
	return createStore(openSqliteDatabase(path));
}

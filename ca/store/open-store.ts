/** Which database the configuration means: a PostgreSQL server, or a file. */

import { createStore } from './create-store.ts';
import { openPostgresDatabase } from './postgres-database.ts';
import { openSqliteDatabase } from './sqlite-database.ts';
import type { Store } from './store.ts';

export interface DatabaseConfig {
	/** of a PostgreSQL server; null for the file */
	readonly url: string | null;
	readonly poolSize: number;
}

/**
 * @param file of SQLite, made when it is not there
 * @throws BirthmarkError `ca-unavailable`, `config-invalid` (the server refuses), `ca-missing` (written by a newer program)
 */
export async function openStore({ url, poolSize }: DatabaseConfig, file: string): Promise<Store> {
	return createStore(url === null ? openSqliteDatabase(file) : await openPostgresDatabase({ url, poolSize }));
}

/** Which database the configuration means: a PostgreSQL server, or a file. */

import { createStore } from './create-store.ts';
import type { Database, Snapshot } from './database.ts';
import { openPostgresDatabase } from './postgres-database.ts';
import { withPostgresSnapshot } from './postgres-snapshot.ts';
import { openSqliteDatabase, withSqliteSnapshot } from './sqlite-database.ts';
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
export async function openStore(config: DatabaseConfig, file: string): Promise<Store> {
	return createStore(await openDatabase(config, file));
}

export async function openDatabase({ url, poolSize }: DatabaseConfig, file: string): Promise<Database> {
	return url === null ? openSqliteDatabase(file) : openPostgresDatabase({ url, poolSize });
}

/** A look at the database beside the CAs that use it. @throws BirthmarkError `ca-unavailable`, `config-invalid` */
export function withSnapshot<T>({ url }: DatabaseConfig, file: string, work: (view: Snapshot) => Promise<T>): Promise<T> {
	return url === null ? withSqliteSnapshot(file, work) : withPostgresSnapshot(url, work);
}

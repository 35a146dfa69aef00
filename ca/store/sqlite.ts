/**
 * The store in one SQLite file, by node:sqlite. Write-ahead log with full synchronisation: a
 * transaction that has been committed survives a crash of the process and of the machine.
 */

import { DatabaseSync } from 'node:sqlite';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { MIGRATIONS } from './schema.ts';
import { sqliteAuthorizations } from './sqlite-authorizations.ts';
import { sqliteCertificates } from './sqlite-certificates.ts';
import { sqliteNodes } from './sqlite-nodes.ts';
import { sqliteRevocations } from './sqlite-revocations.ts';
import { transaction } from './sqlite-rows.ts';
import type { Store } from './store.ts';

/** How long a transaction waits for another process (a backup, say) to let go of the file. */
const BUSY_TIMEOUT_MS = 5000;

/**
 * Opens or creates the file and brings its schema up to date.
 *
 * @throws BirthmarkError `ca-missing` when a newer version of the program has written it
 */
export function openSqliteStore(path: string): Store {
	const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
	try {
		db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
		migrate(db);
	} catch (error) {
		db.close();
		throw error;
	}
	const touch = db.prepare(`UPDATE counters SET value = value + 1 WHERE name = 'health'`);
	return {
		...sqliteNodes(db),
		...sqliteAuthorizations(db),
		...sqliteCertificates(db),
		...sqliteRevocations(db),
		async check() {
			if (touch.run().changes !== 1) throw new Error('the database has lost its counters');
		},
		async close() {
			db.close();
		},
	};
}

function migrate(db: DatabaseSync): void {
	transaction(db, () => {
		db.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT');
		const row = db.prepare('SELECT version FROM schema_version').get() as { version: number } | undefined;
		const version = row?.version ?? 0;
		if (version > MIGRATIONS.length) {
			throw new BirthmarkError('ca-missing', `the database has version ${version} and this program knows ${MIGRATIONS.length}: start the newer program that wrote it`);
		}
		for (const migration of MIGRATIONS.slice(version)) db.exec(migration);
		db.exec('DELETE FROM schema_version');
		db.prepare('INSERT INTO schema_version (version) VALUES (?)').run(MIGRATIONS.length);
	});
}

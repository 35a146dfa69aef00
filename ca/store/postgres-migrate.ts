/** Brings the schema of a PostgreSQL database up to date; any number of processes may do so at once. */

import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { connect, describeFirstFault, query } from './postgres-connection.ts';
import { PostgresFault } from './postgres-fault.ts';
import { MIGRATIONS, newerSchemaError, postgresMigration } from './schema.ts';

/** Of the advisory lock that whoever migrates takes: "birth" in ASCII, so that no other program takes the same by chance. */
const MIGRATION_LOCK = 0x6269727468;
/** A new index over many millions of rows takes its time, and others wait for whoever makes it. */
const MIGRATION_TIMEOUT_MS = 30 * 60_000;

/**
 * @param timeoutMs how long to wait for a server that does not answer yet
 * @throws BirthmarkError `ca-unavailable`; `config-invalid` when the server refuses the user or has no such database;
 * `ca-missing` when a newer version of the program has written it
 */
export async function migrateWhenThere(pool: pg.Pool, timeoutMs: number): Promise<void> {
	const deadline = performance.now() + timeoutMs;
	for (;;) {
		try {
			return await migrate(pool);
		} catch (error) {
			if (!(error instanceof PostgresFault)) throw error;
			if (!error.isUnavailable || error.isOurs || performance.now() >= deadline) throw describeFirstFault(error);
			await sleep(Math.min(500, Math.max(0, deadline - performance.now())));
		}
	}
}

async function migrate(pool: pg.Pool): Promise<void> {
	const client = await connect(pool);
	const run = (text: string) => query(client, { text, query_timeout: MIGRATION_TIMEOUT_MS } as pg.QueryConfig);
	let isDone = false;
	try {
		// Not serializable: this transaction has to see what the one before it in the queue for the lock has done.
		await run(`BEGIN; SET LOCAL statement_timeout = ${MIGRATION_TIMEOUT_MS}; SET LOCAL lock_timeout = ${MIGRATION_TIMEOUT_MS}; SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
		await run('CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)');
		const { rows } = await run('SELECT version FROM schema_version');
		const version = (rows[0] as { version: number } | undefined)?.version ?? 0;
		if (version > MIGRATIONS.length) throw newerSchemaError(version);
		if (version < MIGRATIONS.length) {
			for (let next = version + 1; next <= MIGRATIONS.length; next++) await run(postgresMigration(next));
			await run('DELETE FROM schema_version');
			await run(`INSERT INTO schema_version (version) VALUES (${MIGRATIONS.length})`);
		}
		await run('COMMIT');
		isDone = true;
	} finally {
		// Ending the connection undoes what was not committed.
		client.release(!isDone);
	}
}

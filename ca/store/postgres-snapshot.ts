/** A view of one moment of a PostgreSQL database. */

import type pg from 'pg';
import type { Row, Snapshot } from './database.ts';
import { connect, describeFirstFault, openPool, query } from './postgres-connection.ts';
import { PostgresFault } from './postgres-fault.ts';

/** How many rows of a cursor are fetched at once. */
const PORTION = 500;
/** How long the disk that the rows are written to may take for one portion. */
const IDLE_TIMEOUT_MS = 5 * 60_000;

/**
 * Looks at the database as it is, without bringing its schema up to date; any number of CAs may be using it.
 *
 * @throws BirthmarkError `ca-unavailable`, `config-invalid`
 */
export async function withPostgresSnapshot<T>(url: string, work: (view: Snapshot) => Promise<T>): Promise<T> {
	const pool = openPool(url, 1);
	try {
		const client = await connect(pool);
		try {
			await query(client, { text: `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = ${IDLE_TIMEOUT_MS}` });
			return await work({ rows: (text) => cursor(client, text) });
		} finally {
			client.release(true);
		}
	} catch (error) {
		throw error instanceof PostgresFault ? describeFirstFault(error) : error;
	} finally {
		await pool.end();
	}
}

async function* cursor(client: pg.PoolClient, text: string): AsyncGenerator<Row> {
	await query(client, { text: `DECLARE portion NO SCROLL CURSOR FOR ${text}` });
	for (;;) {
		const { rows } = await query(client, { text: `FETCH ${PORTION} FROM portion` });
		yield* rows as Row[];
		if (rows.length < PORTION) break;
	}
	await query(client, { text: 'CLOSE portion' });
}

/**
 * The database on a PostgreSQL server, by `pg`; any number of CA instances may share it. Every
 * transaction is SERIALIZABLE, so that the same code is right with one writer and with many; those
 * that the server calls off (SQLSTATE 40001, 40P01) are run again.
 *
 * Where the connection is lost, only that is repeated which surely has not happened. Whether a COMMIT
 * that was not answered took place is not known: `ca-unavailable` says so, and whoever asked may ask
 * again, because every method of the store gives the same answer twice (see `store.ts`).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Database, Parameters, Reader, Row, Sql } from './database.ts';
import { parseStatement, pickParameters, type Statement } from './named-parameters.ts';
import { PostgresFault } from './postgres-fault.ts';
import { MIGRATIONS, newerSchemaError, postgresSchema } from './schema.ts';

export interface PostgresOptions {
	/** `postgresql://user:password@host:port/database?sslmode=verify-full&sslrootcert=…`; never said in an error */
	readonly url: string;
	/** connections at most */
	readonly poolSize: number;
	/** how long to wait at the start for a server that does not answer yet */
	readonly startTimeoutMs?: number;
}

/** Also how long a call waits for one of the connections to become free. */
const CONNECT_TIMEOUT_MS = 5000;
/** On both ends: the server ends what takes longer, and the client does where the server is silent. */
const STATEMENT_TIMEOUT_MS = 10_000;
const SILENCE_TIMEOUT_MS = 15_000;
const START_TIMEOUT_MS = 30_000;
/** How often a transaction is begun in all, by what ended it. */
const MAX_RUNS = {
	/** others got in the way */
	calledOff: 30,
	/** Two have inserted the same key at once. Run again, one finds what the other has inserted; if not, it is a fault of ours. */
	keyTaken: 3,
	/** The server may have been started anew since the pool last heard of it. One that is down does not let anybody connect. */
	lost: 3,
};
/** Each run after a collision waits longer, at random: those that got in each other's way should not do so again. */
const MAX_PAUSE_MS = 200;
/** Of the advisory lock that whoever migrates takes: "birth" in ASCII, so that no other program takes the same by chance. */
const MIGRATION_LOCK = 0x6269727468;
const INT8 = 20;

/**
 * Connects and brings the schema up to date; any number of processes may do so at once.
 *
 * @throws BirthmarkError `ca-unavailable`; `config-invalid` when the server refuses the user or has no such database;
 * `ca-missing` when a newer version of the program has written it
 */
export async function openPostgresDatabase({ url, poolSize, startTimeoutMs = START_TIMEOUT_MS }: PostgresOptions): Promise<Database> {
	const pool = new pg.Pool({
		connectionString: url,
		max: poolSize,
		connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
		statement_timeout: STATEMENT_TIMEOUT_MS,
		lock_timeout: STATEMENT_TIMEOUT_MS,
		idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
		query_timeout: SILENCE_TIMEOUT_MS,
		keepAlive: true,
		application_name: 'birthmark-ca',
		// Serializable transactions are called off for less where they read by an index: a scan of a small table would be of all of it.
		options: '-c enable_seqscan=off -c jit=off',
		// Sequences, counts and instants stay far below 2^53.
		types: { getTypeParser: (oid: number, format?: 'text' | 'binary') => (oid === INT8 ? Number : pg.types.getTypeParser(oid as never, format as never)) } as pg.CustomTypesConfig,
	});
	// An idle connection that is lost has left the pool already; the next call opens another.
	pool.on('error', () => undefined);
	// One that is lost while it is in use fails its query too, or the next one.
	pool.on('connect', (client) => client.on('error', () => undefined));
	const statements = new Map<string, Statement & { readonly name: string }>();
	const database: Database = {
		transaction: (work) => withRetries(pool, (client) => runTransaction(client, sqlOn(client, statements), work)),
		read: (work) => withRetries(pool, (client) => work(sqlOn(client, statements))),
		waiting: () => pool.waitingCount,
		async close() {
			if (!pool.ended) await pool.end();
		},
	};
	try {
		await migrateWhenThere(pool, startTimeoutMs);
	} catch (error) {
		await pool.end();
		throw error;
	}
	return database;
}

/** @param attempt run again from its beginning where it surely had no effect */
async function withRetries<T>(pool: pg.Pool, attempt: (client: pg.PoolClient) => Promise<T>): Promise<T> {
	const runs = { calledOff: 0, keyTaken: 0, lost: 0 };
	for (;;) {
		let client: pg.PoolClient | undefined;
		try {
			client = await connect(pool);
			const result = await attempt(client);
			client.release();
			return result;
		} catch (error) {
			client?.release(error instanceof PostgresFault && error.isLost);
			if (!(error instanceof PostgresFault)) throw error;
			const kind = error.isCalledOff ? 'calledOff' : error.isKeyTaken ? 'keyTaken' : error.isLost && error.isUndone && client ? 'lost' : undefined;
			if (kind === undefined || ++runs[kind] >= MAX_RUNS[kind]) throw describe(error);
			if (kind === 'calledOff') await sleep(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** runs[kind]));
		}
	}
}

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
	try {
		return await pool.connect();
	} catch (cause) {
		throw new PostgresFault(cause, { isUndone: true });
	}
}

async function runTransaction<T>(client: pg.PoolClient, sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> {
	await query(client, { text: 'BEGIN ISOLATION LEVEL SERIALIZABLE' });
	let result: T;
	try {
		result = await work(sql);
	} catch (error) {
		// Undone by the server in any case, when the connection ends if not by this.
		if (!(error instanceof PostgresFault && error.isLost)) await query(client, { text: 'ROLLBACK' });
		throw error;
	}
	const { command } = await query(client, { text: 'COMMIT' }, { isUndone: false });
	if (command !== 'COMMIT') throw new Error('a transaction went on after one of its statements had failed, and was undone');
	return result;
}

function sqlOn(client: pg.PoolClient, statements: Map<string, Statement & { readonly name: string }>): Sql {
	const execute = (text: string, parameters: Parameters) => {
		let statement = statements.get(text);
		if (!statement) {
			statement = { ...parseStatement(text), name: `s${statements.size}` };
			statements.set(text, statement);
		}
		const { name, numbered } = statement;
		return query(client, { name, text: numbered, values: Object.values(pickParameters(statement, parameters)) });
	};
	return {
		get: async (text, parameters = {}) => (await execute(text, parameters)).rows[0] as Row | undefined,
		all: async (text, parameters = {}) => (await execute(text, parameters)).rows as Row[],
		run: async (text, parameters = {}) => (await execute(text, parameters)).rowCount ?? 0,
	} satisfies Sql & Reader;
}

async function query(client: pg.PoolClient, config: pg.QueryConfig, { isUndone = true } = {}): Promise<pg.QueryResult> {
	try {
		return await client.query(config);
	} catch (cause) {
		throw new PostgresFault(cause, { isUndone });
	}
}

async function migrateWhenThere(pool: pg.Pool, timeoutMs: number): Promise<void> {
	const deadline = Date.now() + timeoutMs;
	for (;;) {
		try {
			return await migrate(pool);
		} catch (error) {
			if (!(error instanceof PostgresFault)) throw error;
			if (!error.isUnavailable || Date.now() >= deadline) throw describe(error);
			await sleep(Math.min(500, Math.max(0, deadline - Date.now())));
		}
	}
}

async function migrate(pool: pg.Pool): Promise<void> {
	const client = await connect(pool);
	let isDone = false;
	try {
		// Not serializable: this transaction has to see what the one before it in the queue for the lock has done.
		await query(client, { text: `BEGIN; SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})` });
		await query(client, { text: 'CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)' });
		const { rows } = await query(client, { text: 'SELECT version FROM schema_version' });
		const version = (rows[0] as { version: number } | undefined)?.version ?? 0;
		if (version > MIGRATIONS.length) throw newerSchemaError(version);
		if (version < MIGRATIONS.length) {
			for (const migration of MIGRATIONS.slice(version)) await query(client, { text: postgresSchema(migration) });
			await query(client, { text: 'DELETE FROM schema_version' });
			await query(client, { text: `INSERT INTO schema_version (version) VALUES (${MIGRATIONS.length})` });
		}
		await query(client, { text: 'COMMIT' });
		isDone = true;
	} finally {
		// Ending the connection undoes what was not committed.
		client.release(!isDone);
	}
}

function describe(fault: PostgresFault): unknown {
	const { cause, message } = fault;
	if (fault.isCalledOff) return new BirthmarkError('ca-unavailable', 'too many wanted to change the same thing in the database at once: try again', { cause });
	if (fault.isRefusal) {
		return new BirthmarkError('config-invalid', `the database server refuses the CA (${message}): check user, password and database of its URL`, { cause });
	}
	if (fault.isUnavailable) return new BirthmarkError('ca-unavailable', `the database of the CA cannot do its work (${message}): look at the server`, { cause });
	return cause;
}

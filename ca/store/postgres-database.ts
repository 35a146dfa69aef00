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
import type pg from 'pg';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Database, Parameters, Reader, Row, Sql, Turn } from './database.ts';
import { createGate, type Gate } from './gate.ts';
import { parseStatement, pickParameters, type Statement } from './named-parameters.ts';
import { connect, describeFault, openPool, query } from './postgres-connection.ts';
import { PostgresFault } from './postgres-fault.ts';
import { migrateWhenThere } from './postgres-migrate.ts';

export interface PostgresOptions {
	/** `postgresql://user:password@host:port/database?sslmode=verify-full&sslrootcert=…`; never said in an error */
	readonly url: string;
	/** connections at most */
	readonly poolSize: number;
	/** how long to wait at the start for a server that does not answer yet */
	readonly startTimeoutMs?: number;
	/** how long an answer is waited for; longer than the server takes to give up by itself */
	readonly silenceTimeoutMs?: number;
}

const START_TIMEOUT_MS = 30_000;
/** How often a transaction is begun in all, by what ended it. */
const MAX_RUNS = {
	/** others got in the way */
	calledOff: 30,
	/** Two have inserted the same key at once. Run again, one finds what the other has inserted; if not, it is a fault of ours. */
	keyTaken: 3,
	/** The server may have been started anew since the pool last heard of it. One that is down does not let anybody connect. */
	lost: 3,
	/** Each run takes one of them out of the pool, and it has no more. */
	outdated: 101,
};
/** Each run after a collision waits longer, at random: those that got in each other's way should not do so again. */
const MAX_PAUSE_MS = 200;
/** Nobody is kept waiting for longer and then told that it was in vain: afterwards there is no other run, whatever ended the last. */
const PATIENCE_MS = 10_000;
/** What a turn locks. Reading, which a backup does for long, is in nobody's way. */
const LOCKS: Readonly<Record<Turn, readonly string[]>> = {
	revocations: ['revocations_turn IN EXCLUSIVE MODE'],
	audit: ['audit_turn IN EXCLUSIVE MODE'],
	trust: ['revocations_turn IN EXCLUSIVE MODE', 'authorities IN EXCLUSIVE MODE'],
	issue: ['authorities IN ROW SHARE MODE'],
};
/** How long one waits for its turn, or for a place among those that write: as long as for a server that is silent. */
const LINE_PATIENCE_MS = 15_000;

/**
 * Connects and brings the schema up to date; any number of processes may do so at once.
 *
 * @throws BirthmarkError `ca-unavailable`; `config-invalid` when the server refuses the user or has no such database;
 * `ca-missing` when a newer version of the program has written it
 */
export async function openPostgresDatabase({ url, poolSize, startTimeoutMs = START_TIMEOUT_MS, silenceTimeoutMs }: PostgresOptions): Promise<Database> {
	const pool = openPool(url, poolSize, silenceTimeoutMs);
	const statements = new Map<string, Statement & { readonly name: string }>();
	// The other half stays for reading, which every request wants; and more at once would get in each other's way more often.
	const writing = createGate(Math.ceil(poolSize / 2), LINE_PATIENCE_MS);
	// So that of each instance only one connection waits for the turn.
	const [revocations, audit] = [createGate(1, LINE_PATIENCE_MS), createGate(1, LINE_PATIENCE_MS)];
	const gates: Readonly<Record<Turn, Gate>> = { revocations, trust: revocations, audit, issue: writing };
	const begun = new Set<Promise<unknown>>();
	let closing: Promise<void> | undefined;

	const track = <T>(work: () => Promise<T>): Promise<T> => {
		if (closing) return Promise.reject(new BirthmarkError('ca-unavailable', 'the database of the CA is closed: the CA is stopping'));
		const result = work();
		const settled = result.catch(() => undefined).finally(() => begun.delete(settled));
		begun.add(settled);
		return result;
	};
	const write = <T>(work: (sql: Sql) => Promise<T>, turn?: Turn): Promise<T> => track(
		() => within(turn ? gates[turn] : writing, () => withRetries(pool, (client) => runTransaction(client, sqlOn(client, statements), work, turn))),
	);
	const database: Database = {
		transaction: write,
		fill: (load, finish) => write(async (sql) => {
			const result = await load(sql);
			await moveSequences(sql);
			await finish(sql);
			return result;
		}),
		read: (work) => track(() => withRetries(pool, (client) => work(sqlOn(client, statements)))),
		waiting: () => [writing, revocations, audit].reduce((sum, gate) => sum + gate.waiting(), pool.waitingCount),
		close: () => (closing ??= Promise.all(begun).then(() => pool.end())),
	};
	try {
		await migrateWhenThere(pool, startTimeoutMs);
	} catch (error) {
		await pool.end();
		throw error;
	}
	return database;
}

async function within<T>(gate: Gate, work: () => Promise<T>): Promise<T> {
	const leave = await gate.enter();
	try {
		return await work();
	} finally {
		leave();
	}
}

/** Keys that rows have brought along are not made a second time. */
async function moveSequences(sql: Sql): Promise<void> {
	const columns = await sql.all(`
		SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES'`);
	for (const { table_name: table, column_name: column } of columns) {
		await sql.get(`SELECT setval(pg_get_serial_sequence('${table}', '${column}'), (SELECT COALESCE(MAX(${column}), 0) + 1 FROM ${table}), false)`);
	}
}

/** @param attempt run again from its beginning where it surely had no effect */
async function withRetries<T>(pool: pg.Pool, attempt: (client: pg.PoolClient) => Promise<T>): Promise<T> {
	const runs = { calledOff: 0, keyTaken: 0, lost: 0, outdated: 0 };
	const begun = performance.now();
	for (;;) {
		let client: pg.PoolClient | undefined;
		try {
			client = await connect(pool);
			const result = await attempt(client);
			client.release();
			return result;
		} catch (error) {
			client?.release(error instanceof PostgresFault && (error.isLost || error.isOutdated));
			if (!(error instanceof PostgresFault)) throw error;
			const kind = error.isCalledOff ? 'calledOff' : error.isKeyTaken ? 'keyTaken' : error.isOutdated ? 'outdated' : error.isLost && error.isUndone && client ? 'lost' : undefined;
			if (kind === undefined || ++runs[kind] >= MAX_RUNS[kind] || performance.now() - begun > PATIENCE_MS) throw describeFault(error);
			if (kind === 'calledOff') await sleep(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** runs[kind]));
		}
	}
}

async function runTransaction<T>(client: pg.PoolClient, sql: Sql, work: (sql: Sql) => Promise<T>, turn: Turn | undefined): Promise<T> {
	let result: T;
	try {
		// Locking a table is no query: what the transaction sees is the state after the one before it in the line.
		const locks = turn === undefined ? [] : LOCKS[turn].map((lock) => `; LOCK TABLE ${lock}`);
		await query(client, { text: `BEGIN ISOLATION LEVEL SERIALIZABLE${locks.join('')}` });
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

/**
 * The database in one SQLite file, by node:sqlite. Write-ahead log with full synchronisation: a
 * transaction that has been committed survives a crash of the process and of the machine.
 *
 * Group commit: what makes a durable transaction slow is waiting for the disk, not the work. So the
 * transactions that wait run one after the other, each in a savepoint of its own, and share one
 * COMMIT; nobody is answered before it. Reading goes over a connection of its own, which sees only
 * what has been committed.
 */

import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Database, Parameters, Reader, Row, Snapshot, Sql } from './database.ts';
import { parseStatement, pickParameters } from './named-parameters.ts';
import { MIGRATIONS, newerSchemaError } from './schema.ts';

/** How long a transaction waits for another process (one of the CA's commands, say) to let go of the file, and how often it looks. */
const BUSY_TIMEOUT_MS = 5000;
const BUSY_PAUSE_MS = 10;
/** SQLITE_BUSY */
const BUSY = 5;
/** More would keep the first of them waiting for longer than the disk takes. */
const MAX_GROUP = 256;
/** Primary result codes that say something about disk or file and nothing about the statement: BUSY, READONLY, IOERR, FULL, CANTOPEN. */
const UNAVAILABLE = new Set([5, 8, 10, 13, 14]);

interface Job {
	readonly work: (sql: Sql) => Promise<unknown>;
	readonly resolve: (value: unknown) => void;
	readonly reject: (error: unknown) => void;
}

/**
 * Opens or creates the file and brings its schema up to date.
 *
 * @throws BirthmarkError `ca-missing` when a newer version of the program has written it; `ca-unavailable`
 */
export function openSqliteDatabase(path: string): Database {
	let writer: DatabaseSync | undefined;
	let reader: DatabaseSync;
	try {
		writer = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
		writer.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;');
		migrate(writer);
		// SQLite would wait with the whole process, which has others to answer.
		writer.exec('PRAGMA busy_timeout = 0');
		reader = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, readOnly: true });
		// To undo one transaction of a large group, and to sort much, SQLite wants a file in /tmp, which a container with a read-only root does not have.
		for (const connection of [writer, reader]) connection.exec('PRAGMA temp_store = MEMORY');
	} catch (error) {
		writer?.close();
		throw describe(error);
	}
	return serveFile(writer, reader);
}

function serveFile(writer: DatabaseSync, reader: DatabaseSync): Database {
	const writing = sqlOn(writer);
	const reading = sqlOn(reader);
	const queue: Job[] = [];
	let running: Promise<void> | undefined;
	let isClosed = false;

	const runQueue = async (): Promise<void> => {
		while (queue.length > 0) {
			// Whatever else has arrived by now goes into the same group.
			await new Promise(setImmediate);
			await runGroup(writer, writing, queue.splice(0, MAX_GROUP));
		}
		running = undefined;
	};
	const transaction = <T>(work: (sql: Sql) => Promise<T>) => new Promise<T>((resolve, reject) => {
		if (isClosed) return reject(closed());
		queue.push({ work, resolve: resolve as (value: unknown) => void, reject });
		running ??= runQueue();
	});
	return {
		transaction,
		fill: (load, finish) => transaction(async (sql) => {
			const result = await load(sql);
			// AUTOINCREMENT goes on after the highest key that was ever there, whoever made it.
			await finish(sql);
			return result;
		}),
		async read<T>(work: (sql: Reader) => Promise<T>): Promise<T> {
			if (isClosed) throw closed();
			try {
				return await work(reading);
			} catch (error) {
				// Between two statements of it.
				if (!reader.isOpen) throw closed();
				throw describe(error);
			}
		},
		waiting: () => queue.length,
		async close() {
			if (isClosed) return running;
			isClosed = true;
			await running;
			reader.close();
			// The last connection to close folds the write-ahead log into the file, which a read-only one could not.
			writer.close();
		},
	};
}

/**
 * Looks at the file as it is, without bringing its schema up to date; a CA may be serving it.
 *
 * @throws BirthmarkError `ca-unavailable`
 */
export async function withSqliteSnapshot<T>(path: string, work: (view: Snapshot) => Promise<T>): Promise<T> {
	let db: DatabaseSync | undefined;
	try {
		const reader = db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, readOnly: true });
		reader.exec('BEGIN');
		return await work({
			async *rows(text) {
				yield* reader.prepare(text).iterate() as Iterable<Row>;
			},
		});
	} catch (error) {
		throw describe(error);
	} finally {
		db?.close();
	}
}

async function runGroup(db: DatabaseSync, sql: Sql, jobs: readonly Job[]): Promise<void> {
	const answers: Array<() => void> = [];
	try {
		if (db.isTransaction) db.exec('ROLLBACK');
		await begin(db);
		for (const job of jobs) {
			db.exec('SAVEPOINT job');
			try {
				const value = await job.work(sql);
				answers.push(() => job.resolve(value));
			} catch (error) {
				// After some faults, a full disk for one, SQLite has undone the whole group by itself.
				if (!db.isTransaction) throw error;
				db.exec('ROLLBACK TO job');
				answers.push(() => job.reject(describe(error)));
			}
			db.exec('RELEASE job');
		}
		db.exec('COMMIT');
	} catch (error) {
		for (const job of jobs) job.reject(describe(error));
		// What cannot be undone now is undone before the next group, or by whoever opens the file after this process.
		undo(db);
		return;
	}
	for (const answer of answers) answer();
}

async function begin(db: DatabaseSync): Promise<void> {
	const deadline = performance.now() + BUSY_TIMEOUT_MS;
	for (;;) {
		try {
			return db.exec('BEGIN IMMEDIATE');
		} catch (error) {
			const { errcode } = error as { errcode?: unknown };
			if (typeof errcode !== 'number' || (errcode & 0xff) !== BUSY || performance.now() >= deadline) throw error;
		}
		await sleep(BUSY_PAUSE_MS);
	}
}

function undo(db: DatabaseSync): void {
	try {
		if (db.isTransaction) db.exec('ROLLBACK');
	} catch {
		// tried again
	}
}

function sqlOn(db: DatabaseSync): Sql {
	const cache = new Map<string, { readonly prepared: StatementSync; bind(parameters: Parameters): Record<string, Parameters[string]> }>();
	const statement = (text: string) => {
		let known = cache.get(text);
		if (!known) {
			const parsed = parseStatement(text);
			known = { prepared: db.prepare(text), bind: (parameters) => pickParameters(parsed, parameters) };
			cache.set(text, known);
		}
		return known;
	};
	return {
		async get(text, parameters = {}) {
			const { prepared, bind } = statement(text);
			return prepared.get(bind(parameters)) as Row | undefined;
		},
		async all(text, parameters = {}) {
			const { prepared, bind } = statement(text);
			return prepared.all(bind(parameters)) as Row[];
		},
		async run(text, parameters = {}) {
			const { prepared, bind } = statement(text);
			return Number(prepared.run(bind(parameters)).changes);
		},
	};
}

function migrate(db: DatabaseSync): void {
	db.exec('BEGIN IMMEDIATE');
	try {
		db.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT');
		const version = (db.prepare('SELECT version FROM schema_version').get() as { version: number } | undefined)?.version ?? 0;
		if (version > MIGRATIONS.length) throw newerSchemaError(version);
		for (const migration of MIGRATIONS.slice(version)) db.exec(migration);
		db.exec('DELETE FROM schema_version');
		db.prepare('INSERT INTO schema_version (version) VALUES (?)').run(MIGRATIONS.length);
		db.exec('COMMIT');
	} catch (error) {
		if (db.isTransaction) db.exec('ROLLBACK');
		throw error;
	}
}

function describe(error: unknown): unknown {
	const { errcode } = error as { errcode?: unknown };
	if (typeof errcode !== 'number' || !UNAVAILABLE.has(errcode & 0xff)) return error;
	return new BirthmarkError('ca-unavailable', `the database of the CA cannot do its work (${(error as Error).message}): look at its disk`, { cause: error });
}

function closed(): BirthmarkError {
	return new BirthmarkError('ca-unavailable', 'the database of the CA is closed: the CA is stopping');
}

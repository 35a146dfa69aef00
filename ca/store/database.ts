/**
 * What the store asks of a database: SQL, and transactions. The SQL of a domain is written once
 * (`nodes.ts`, `certificates.ts`, …) in what SQLite and PostgreSQL have in common; a backend runs it.
 *
 * Parameters are named (`:serial`) and given by name; extra ones are ignored, a missing one is an
 * error. Instants are integers, milliseconds since 1970; lists are JSON; a boolean is 0 or 1.
 */

export type Value = string | number | Uint8Array | null;
export type Parameters = Readonly<Record<string, Value>>;
/** column names as the database has them; integers as numbers, bytes as Uint8Array */
export type Row = Record<string, unknown>;

export interface Reader {
	/** the first row */
	get(text: string, parameters?: Parameters): Promise<Row | undefined>;
	all(text: string, parameters?: Parameters): Promise<Row[]>;
}

export interface Sql extends Reader {
	/** @returns how many rows it changed */
	run(text: string, parameters?: Parameters): Promise<number>;
}

/** What a database holds at one moment, however long one looks at it, and whatever others do meanwhile. */
export interface Snapshot {
	/** @param text a query without parameters */
	rows(text: string): AsyncIterable<Row>;
}

/**
 * Transactions of one kind come one after the other, those of other instances too: they all change the
 * same row (the counter of revocations, of the seals of the audit log), so that of several at once one
 * would have its way and the others be run again, and again.
 *
 * `trust` is a revocation that looks at every certificate: it waits until nobody issues one, and whoever
 * wants to waits for it, or on a busy CA somebody would always get in its way. `issue` may be any number
 * at once.
 */
export type Turn = 'revocations' | 'audit' | 'trust' | 'issue';

export interface Database {
	/**
	 * Runs `work` as if nothing else happened meanwhile, and resolves when its changes are durable. An
	 * exception undoes all of them. The work awaits nothing but its `sql`, because others may wait for
	 * it, and it has no effects beside, because it may be run again from its beginning.
	 *
	 * @throws BirthmarkError `ca-unavailable` when the database cannot do its work at present
	 */
	transaction<T>(work: (sql: Sql) => Promise<T>, turn?: Turn): Promise<T>;
	/**
	 * For reading what has been committed, without waiting for any transaction. Each statement sees
	 * the state of its moment; a view over several of them wants a transaction.
	 *
	 * @throws BirthmarkError `ca-unavailable`
	 */
	read<T>(work: (sql: Reader) => Promise<T>): Promise<T>;
	/** how many calls wait for their turn */
	waiting(): number;
	/**
	 * Like a transaction, for rows that bring along the keys which the database makes otherwise. The
	 * work may wait for more than its `sql`: a restore has the database to itself.
	 *
	 * @param load inserts those rows
	 * @param finish in the same transaction; keys that the database makes are higher than the loaded ones
	 */
	fill<T>(load: (sql: Sql) => Promise<T>, finish: (sql: Sql) => Promise<void>): Promise<T>;
	/** Waits for the transactions that were begun. Again is no error. */
	close(): Promise<void>;
}

/** Connections to a PostgreSQL server: how they are made, and what their failures are called. */

import pg from 'pg';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { PostgresFault } from './postgres-fault.ts';

/** Also how long a call waits for one of the connections to become free. */
const CONNECT_TIMEOUT_MS = 5000;
/** On both ends: the server ends what takes longer, and the client does where the server is silent. */
const STATEMENT_TIMEOUT_MS = 10_000;
const SILENCE_TIMEOUT_MS = 15_000;
/** Object identifier of the type. */
const INT8 = 20;

export function openPool(url: string, max: number, silenceTimeoutMs: number = SILENCE_TIMEOUT_MS): pg.Pool {
	const pool = new pg.Pool({
		connectionString: url,
		max,
		connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
		statement_timeout: STATEMENT_TIMEOUT_MS,
		lock_timeout: STATEMENT_TIMEOUT_MS,
		idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
		query_timeout: silenceTimeoutMs,
		keepAlive: true,
		application_name: 'birthmark-ca',
		// Serializable transactions are called off for less where they read by an index: a scan of a small table would be of all of it.
		// What was answered is durable, whatever the server does by itself.
		options: '-c enable_seqscan=off -c jit=off -c synchronous_commit=on',
		// Sequences, counts and instants stay far below 2^53.
		types: { getTypeParser: (oid: number, format?: 'text' | 'binary') => (oid === INT8 ? Number : pg.types.getTypeParser(oid as never, format as never)) } as pg.CustomTypesConfig,
	});
	// An idle connection that is lost has left the pool already; the next call opens another.
	pool.on('error', () => undefined);
	// One that is lost while it is in use fails its query too, or the next one.
	pool.on('connect', (client) => client.on('error', () => undefined));
	return pool;
}

/** @throws PostgresFault */
export async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
	try {
		return await pool.connect();
	} catch (cause) {
		throw new PostgresFault(cause, { isUndone: true });
	}
}

/**
 * @param isUndone false when a failure does not mean that nothing happened
 * @throws PostgresFault
 */
export async function query(client: pg.PoolClient, config: pg.QueryConfig, { isUndone = true } = {}): Promise<pg.QueryResult> {
	try {
		return await client.query(config);
	} catch (cause) {
		throw new PostgresFault(cause, { isUndone });
	}
}

/** What whoever opens a database gets to see: that it does not let the CA in is then a fault of the configuration. */
export function describeFirstFault(fault: PostgresFault): unknown {
	const { cause, message, isRefusal, isOurs } = fault;
	if (isOurs) return new BirthmarkError('config-invalid', `a file that the URL of the database names cannot be read (${message}): put it there, or correct the URL`, { cause });
	if (!isRefusal) return describeFault(fault);
	return new BirthmarkError('config-invalid', `the database server refuses the CA (${message}): check user, password and database of its URL`, { cause });
}

/** What a consumer of the store gets to see. */
export function describeFault(fault: PostgresFault): unknown {
	const { cause, message } = fault;
	if (fault.isCalledOff) return new BirthmarkError('ca-unavailable', 'too many wanted to change the same thing in the database at once: try again', { cause });
	if (fault.isUnavailable || fault.isRefusal) return new BirthmarkError('ca-unavailable', `the database of the CA cannot do its work (${message}): look at the server`, { cause });
	return cause;
}

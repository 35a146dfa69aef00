/**
 * Audit events. The event of a decision is written in the transaction of the decision, so that there
 * is neither without the other; it waits in `audit_pending` until it is sealed into the hash chain
 * `audit_log`, which is nobody's business who waits for the decision.
 */

import type { Actor, AuditEvent } from './records.ts';
import type { Database, Sql } from './database.ts';
import type { AuditStore } from './store.ts';

/** Within the transaction of the decision. */
export async function recordEvent(sql: Sql, by: Actor, { at, ...event }: AuditEvent): Promise<void> {
	const body = JSON.stringify({ at: at.toISOString(), by, ...event });
	await sql.run('INSERT INTO audit_pending (at, body) VALUES (:at, :body)', { at: at.getTime(), body });
}

export function createAudit(database: Database): AuditStore {
	return {
		addEvent: (by, event) => database.transaction((sql) => recordEvent(sql, by, event)),
	};
}

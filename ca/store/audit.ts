/**
 * Audit events. The event of a decision is written in the transaction of the decision, so that there
 * is neither without the other; it waits in `audit_pending` until it is sealed into the hash chain
 * `audit_log`, which is nobody's business who waits for the decision.
 */

import { AUDIT_GENESIS, canonicalJson, chainRecord, type AuditHead, type AuditRecord } from '#common/protocol/audit-chain.ts';
import { bump } from './counters.ts';
import type { Database, Reader, Row, Sql } from './database.ts';
import type { Actor, AuditEvent } from './records.ts';
import type { AuditStore } from './store.ts';

type Event = Omit<AuditRecord, 'sequence' | 'previous' | 'hash'>;

/** Within the transaction of the decision. */
export async function recordEvent(sql: Sql, by: Actor, { at, ...event }: AuditEvent): Promise<void> {
	const body = JSON.stringify({ at: at.toISOString(), by, ...event });
	await sql.run('INSERT INTO audit_pending (body) VALUES (:body)', { body });
}

export function createAudit(database: Database): AuditStore {
	return {
		addEvent: (by, event) => database.transaction((sql) => recordEvent(sql, by, event)),
		sealEvents: (limit) => database.transaction(async (sql) => {
			// Holds the row until the end: another instance that seals waits here and then sees the new head.
			await bump(sql, 'audit');
			let head = await readHead(sql);
			const waiting = await sql.all('SELECT id, body FROM audit_pending ORDER BY id LIMIT :limit', { limit });
			for (const { id, body } of waiting) {
				// Whatever somebody has put there is sealed too: it must not keep what comes after it from it.
				const event = parseEvent(body as string) ?? unreadable(body as string);
				const { sequence, previous, hash } = chainRecord(head, event);
				await sql.run('INSERT INTO audit_log (sequence, body, previous, hash) VALUES (:sequence, :body, :previous, :hash)', {
					sequence, body: canonicalJson(event), previous: Buffer.from(previous, 'hex'), hash: Buffer.from(hash, 'hex'),
				});
				// One by one: an event with a lower id may be committed only now.
				await sql.run('DELETE FROM audit_pending WHERE id = :id', { id: id as number });
				head = { sequence, hash };
			}
			return { sealed: waiting.length, head };
		}, 'audit'),
		auditHead: () => database.read(readHead),
		listAudit: (after, limit) => database.read(async (sql) => {
			const rows = await sql.all('SELECT * FROM audit_log WHERE sequence > :after ORDER BY sequence LIMIT :limit', { after, limit });
			return rows.map(toRecord);
		}),
		countPendingEvents: () => database.read(async (sql) => (await sql.get('SELECT count(*) AS count FROM audit_pending'))!['count'] as number),
	};
}

async function readHead(sql: Reader): Promise<AuditHead> {
	const row = await sql.get('SELECT sequence, hash FROM audit_log ORDER BY sequence DESC LIMIT 1');
	return row ? { sequence: row['sequence'] as number, hash: hex(row['hash']) } : AUDIT_GENESIS;
}

/** As it is in the database, so that whoever verifies it sees what was done to it. */
function toRecord({ sequence, body, previous, hash }: Row): AuditRecord {
	const event = parseEvent(body as string);
	const isAsWritten = event && canonicalJson(event) === body;
	return { ...(isAsWritten ? event : unreadable(body as string)), sequence: sequence as number, previous: hex(previous), hash: hex(hash) };
}

/** @returns undefined for what is no event. What a record has beside its event has no second place in it, where no hash would count it. */
function parseEvent(body: string): Event | undefined {
	try {
		const event = JSON.parse(body) as unknown;
		const isEvent = typeof event === 'object' && event !== null && !Array.isArray(event) && !['sequence', 'previous', 'hash'].some((name) => Object.hasOwn(event, name));
		return isEvent ? event as Event : undefined;
	} catch {
		return undefined;
	}
}

function unreadable(body: string): Event {
	return { at: '', by: { role: '', name: '' }, action: 'unreadable', outcome: '', details: { body } };
}

function hex(bytes: unknown): string {
	return Buffer.from(bytes as Uint8Array).toString('hex');
}

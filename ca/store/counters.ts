/**
 * Numbers that only grow. `revocations`: how often anything was revoked; a published list is current
 * as long as it stands where the list says. `trust`: how often the authorities have changed. `audit`:
 * how often the audit log was sealed.
 */

import type { Reader, Sql } from './database.ts';

export type Counter = 'crl-number' | 'revocations' | 'trust' | 'audit';

/** @returns the new value */
export async function bump(sql: Sql, name: Counter): Promise<number> {
	const row = await sql.get('UPDATE counters SET value = value + 1 WHERE name = :name RETURNING value', { name });
	return row!['value'] as number;
}

export async function readCounter(sql: Reader, name: Counter): Promise<number> {
	const row = await sql.get('SELECT value FROM counters WHERE name = :name', { name });
	return row!['value'] as number;
}

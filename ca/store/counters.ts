/**
 * Numbers that only grow. `revocations`: how often anything was revoked; a published list is current
 * as long as it stands where the list says. `trust`: how often the authorities have changed. `audit`:
 * how often the audit log was sealed. `token-uses`: when the last of the users' tokens
 * expires whose use has been forgotten, in milliseconds. `restored`: the instant up to which
 * what users have signed is void: it may have been used without our knowing, because the database
 * comes from a backup, or the CA's keys were in other hands. `renewal-demands`: the number of the last demand.
 */

import type { Reader, Sql } from './database.ts';

export type Counter = 'crl-number' | 'revocations' | 'trust' | 'audit' | 'token-uses' | 'restored' | 'renewal-demands';

/** @returns the new value */
export async function bump(sql: Sql, name: Counter): Promise<number> {
	const row = await sql.get('UPDATE counters SET value = value + 1 WHERE name = :name RETURNING value', { name });
	return row!['value'] as number;
}

/** Sets it to this unless it stands higher already. */
export async function raise(sql: Sql, name: Counter, value: number): Promise<void> {
	await sql.run('UPDATE counters SET value = :value WHERE name = :name AND value < :value', { name, value });
}

export async function readCounter(sql: Reader, name: Counter): Promise<number> {
	const row = await sql.get('SELECT value FROM counters WHERE name = :name', { name });
	return row!['value'] as number;
}

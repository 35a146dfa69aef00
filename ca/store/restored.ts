/**
 * What has to be different in a database that comes from a backup. Nobody knows what happened between
 * the backup and the end of the database that it was made of, so whatever might have been used up
 * meanwhile counts as used.
 */

import { recordEvent } from './audit.ts';
import { raise } from './counters.ts';
import type { Sql } from './database.ts';
import { SYSTEM } from './records.ts';

/** More lists than any CA publishes between two backups, and still a number that CRLs and JavaScript can hold two million times. */
const CRL_NUMBER_MARGIN = 2 ** 32;

export interface Restoration {
	readonly now: Date;
	/** when the backup was made */
	readonly madeAt: Date;
	/** users' tokens that were signed up to this instant may have been redeemed */
	readonly userTokensUntil: Date;
}

/** Within the transaction that fills the database. */
export async function takeOver(sql: Sql, { now, madeAt, userTokensUntil }: Restoration): Promise<void> {
	let cancelled = 0;
	for (const table of ['tokens', 'join_tokens']) {
		cancelled += await sql.run(`UPDATE ${table} SET cancelled_at = :now WHERE redeemed_at IS NULL AND cancelled_at IS NULL`, { now: now.getTime() });
	}
	await raise(sql, 'restored', userTokensUntil.getTime());
	await sql.run(`UPDATE counters SET value = value + ${CRL_NUMBER_MARGIN} WHERE name = 'crl-number'`);
	// Lists of higher numbers may be out; the next ones are made at once, and are newer than those.
	await sql.run('DELETE FROM revocation_lists');
	await recordEvent(sql, SYSTEM, { at: now, action: 'ca.restore', outcome: 'done', details: { madeAt: madeAt.toISOString(), cancelledTokens: cancelled } });
}

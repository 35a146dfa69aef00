/** What holders of certificates report of their applications: the last of each chain of renewals. */

import type { Database } from './database.ts';
import type { ReloadStore } from './store.ts';

/** An agent that was late with the one before must not take the place of the newer one. */
const PUT = `
	INSERT INTO reloads (chain, serial, renewals, outcome, attempts, served_serial, at, verified_serial, verified_at)
	VALUES (:chain, :serial, :renewals, :outcome, :attempts, :servedSerial, :at, :verifiedSerial, :verifiedAt)
	ON CONFLICT (chain) DO UPDATE SET
		serial = excluded.serial, renewals = excluded.renewals, outcome = excluded.outcome, attempts = excluded.attempts,
		served_serial = excluded.served_serial, at = excluded.at,
		verified_serial = COALESCE(excluded.verified_serial, reloads.verified_serial),
		verified_at = COALESCE(excluded.verified_at, reloads.verified_at)
	WHERE reloads.renewals <= excluded.renewals`;
const COUNT = `
	SELECT r.outcome, count(*) AS count FROM reloads r
	WHERE EXISTS (SELECT 1 FROM certificates c WHERE c.chain = r.chain AND c.revoked_at IS NULL AND c.not_after > :now)
	GROUP BY r.outcome`;

/** For a query that joins with {@link joinReload}. */
export const RELOAD_COLUMNS = ['outcome', 'attempts', 'served_serial', 'serial', 'at', 'verified_serial', 'verified_at']
	.map((column) => `r.${column} AS reload_${column}`).join(', ');

/**
 * A certificate with the last report up to it: what came of a later one is none of its business.
 *
 * @param alias of the table `certificates` in the query
 */
export function joinReload(alias: string): string {
	return `LEFT JOIN reloads r ON r.chain = ${alias}.chain AND r.renewals <= ${alias}.renewals`;
}

export function createReloads(database: Database): ReloadStore {
	return {
		async putReload({ chain, serial, renewals }, { outcome, attempts, servedSerial }, now) {
			const at = now.getTime();
			const isVerified = outcome === 'verified';
			await database.transaction((sql) => sql.run(PUT, {
				chain, serial, renewals, outcome, attempts, servedSerial: servedSerial ?? null, at,
				verifiedSerial: isVerified ? serial : null, verifiedAt: isVerified ? at : null,
			}));
		},
		countReloads: (now) => database.read(async (sql) => {
			const rows = await sql.all(COUNT, { now: now.getTime() });
			return new Map(rows.map((row) => [row['outcome'] as string, Number(row['count'])]));
		}),
	};
}

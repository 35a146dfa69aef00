/** Counts for those who watch the CA. They are looked up when somebody asks, over indexes, and stop no transaction. */

import type { Database, Parameters } from './database.ts';
import type { StatisticsStore } from './store.ts';

/** Of each chain of renewals the certificate that ends last, as long as it lives. */
const NEWEST = `
	SELECT role, chain, max(not_after) AS ends FROM certificates
	WHERE not_after > :now AND revoked_at IS NULL GROUP BY role, chain`;

export function createStatistics(database: Database): StatisticsStore {
	return {
		waiting: () => database.waiting(),
		countIdentities: (now, withinSeconds) => database.read(async (sql) => {
			const columns = withinSeconds.map((_, index) => `sum(CASE WHEN ends <= :end${index} THEN 1 ELSE 0 END) AS within${index}`);
			const parameters: Parameters = Object.fromEntries(withinSeconds.map((seconds, index) => [`end${index}`, now.getTime() + seconds * 1000]));
			const rows = await sql.all(
				`SELECT ${['role', 'count(*) AS live', ...columns].join(', ')} FROM (${NEWEST}) AS newest GROUP BY role`,
				{ ...parameters, now: now.getTime() },
			);
			return rows.map((row) => ({
				role: row['role'] as string,
				live: row['live'] as number,
				ending: withinSeconds.map((_, index) => Number(row[`within${index}`])),
			}));
		}),
	};
}

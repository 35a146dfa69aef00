/**
 * The published revocation lists, one row for each: whichever instance finds one out of date makes
 * the next, and what all of them serve is the row. And the partitions of issued certificates, each
 * of which has a list of its own.
 */

import type { RevocationReason } from '#common/protocol/messages.ts';
import { bump, readCounter } from './counters.ts';
import type { Database, Reader, Sql } from './database.ts';
import { bytes, instant } from './rows.ts';
import type { RevocationListStore } from './store.ts';

/** The number of the last revocation that the list has to have: for the whole list of a generation that of any. */
const NEEDED = `CASE WHEN CAST(:partition AS BIGINT) = 0
	THEN (SELECT value FROM counters WHERE name = 'revocations')
	ELSE (SELECT COALESCE(MAX(revocation_version), 0) FROM certificates WHERE crl_partition = :partition AND revocation_version IS NOT NULL) END`;
const SELECT_LIST = `
	SELECT ${NEEDED} AS needed, l.number, l.revocation_version, l.this_update, l.next_update,
		CASE WHEN l.number = CAST(:known AS BIGINT) THEN NULL ELSE l.der END AS der
	FROM (SELECT 1 AS one) AS always LEFT JOIN revocation_lists l ON l.generation = :generation AND l.partition = :partition`;
/**
 * What had ended when it was revoked is on no list, unless the clock was ahead then: it was if it says now
 * that this is to come. The hour is for a list that is not made anew, because the clock went back by less
 * than lists are backdated by.
 */
const WAS_LIVE = `(revoked_at < not_after + ${3600 * 1000} OR revoked_at > :now)`;
// Ordered as their indexes are, without which SQLite reads every certificate there ever was.
const REVOKED = `
	SELECT serial, revoked_at, revocation_reason FROM certificates
	WHERE revoked_at IS NOT NULL AND issuer_generation = :generation AND intermediates IS NULL AND not_after > :after AND ${WAS_LIVE} ORDER BY not_after`;
const REVOKED_OF_PARTITION = `
	SELECT serial, revoked_at, revocation_reason FROM certificates
	WHERE crl_partition = :partition AND revocation_version IS NOT NULL AND issuer_generation = :generation AND not_after > :after AND ${WAS_LIVE} ORDER BY revocation_version`;
/** Numbers are taken together with what is in the list, one after the other: the higher one has more, and stays. */
const PUT_LIST = `
	INSERT INTO revocation_lists (generation, partition, number, revocation_version, der, this_update, next_update)
	VALUES (:generation, :partition, :number, :version, :der, :thisUpdate, :nextUpdate)
	ON CONFLICT (generation, partition) DO UPDATE SET
		number = excluded.number, revocation_version = excluded.revocation_version, der = excluded.der,
		this_update = excluded.this_update, next_update = excluded.next_update
	WHERE revocation_lists.number < excluded.number`;

const LAST_SEQUENCE = 'SELECT COALESCE(MAX(sequence), 0) FROM certificates';

export function createRevocationLists(database: Database): RevocationListStore {
	return {
		findRevocationList: ({ generation, partition }, known) => database.read(async (sql) => {
			const row = (await sql.get(SELECT_LIST, { generation, partition, known }))!;
			const needed = Number(row['needed']);
			if (row['number'] === null) return { needed };
			return {
				needed,
				list: {
					number: row['number'] as number,
					version: row['revocation_version'] as number,
					thisUpdate: instant(row['this_update']),
					nextUpdate: instant(row['next_update']),
					...(row['der'] !== null && { der: bytes(row['der']) }),
				},
			};
		}),
		nextRevocationList: ({ generation, partition }, endsAfter, now) => database.transaction(async (sql) => {
			const number = await bump(sql, 'crl-number');
			const version = await readCounter(sql, 'revocations');
			const rows = await sql.all(partition === 0 ? REVOKED : REVOKED_OF_PARTITION, { generation, partition, after: endsAfter.getTime(), now: now.getTime() });
			const entries = rows.map((row) => ({
				serial: row['serial'] as string,
				revokedAt: instant(row['revoked_at']),
				reason: row['revocation_reason'] as RevocationReason,
			}));
			return { number, version, entries };
		}, 'revocations'),
		takeListNumber: () => database.transaction((sql) => bump(sql, 'crl-number'), 'revocations'),
		publishRevocationList: ({ generation, partition, number, version, der, thisUpdate, nextUpdate }) => database.transaction(async (sql) => {
			const times = { thisUpdate: thisUpdate.getTime(), nextUpdate: nextUpdate.getTime() };
			await sql.run(PUT_LIST, { generation, partition, number, version, der, ...times });
		}),
		async openPartition(generation, url, size) {
			// Asked every few seconds, and answered by opening another one rarely.
			return (await database.read((sql) => findOpen(sql, generation, url, size)))
				?? database.transaction(async (sql) => (await findOpen(sql, generation, url, size)) ?? addPartition(sql, generation, url));
		},
		findPartition: (partition) => database.read(async (sql) => {
			const row = await sql.get('SELECT * FROM crl_partitions WHERE partition = :partition', { partition });
			return row && { generation: row['generation'] as number, url: row['url'] as string };
		}),
	};
}

async function findOpen(sql: Reader, generation: number, url: string, size: number): Promise<number | undefined> {
	const row = await sql.get(`
		SELECT p.partition, (${LAST_SEQUENCE}) - p.first_sequence AS issued FROM crl_partitions p
		WHERE p.generation = :generation AND p.url = :url ORDER BY p.partition DESC LIMIT 1`, { generation, url });
	return row && Number(row['issued']) < size ? row['partition'] as number : undefined;
}

async function addPartition(sql: Sql, generation: number, url: string): Promise<number> {
	const row = await sql.get(`
		INSERT INTO crl_partitions (partition, generation, url, first_sequence)
		SELECT COALESCE(MAX(partition), 0) + 1, CAST(:generation AS BIGINT), CAST(:url AS TEXT), (${LAST_SEQUENCE}) FROM crl_partitions
		RETURNING partition`, { generation, url });
	return row!['partition'] as number;
}

/**
 * Forgetting what has been over for a long time, so that the database does not grow for ever. What is
 * forgotten is refused as unknown, and it was refused as expired before. The audit log keeps it.
 *
 * Not forgotten: certificates that a token still refers to; authorizations that were not ended; and
 * keys that were compromised, which are remembered apart (`compromised_keys`).
 */

import type { Database, Sql } from './database.ts';
import type { RetentionStore } from './store.ts';

const FORGET_CERTIFICATES = `
	DELETE FROM certificates WHERE sequence IN (
		SELECT c.sequence FROM certificates c
		WHERE c.not_after < :before
			AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.authorization_id = c.authorization_id AND t.serial = c.serial)
			AND NOT EXISTS (SELECT 1 FROM join_tokens t WHERE t.serial = c.serial)
			AND NOT EXISTS (SELECT 1 FROM used_token_ids t WHERE t.serial = c.serial)
		ORDER BY c.not_after LIMIT :limit)
	RETURNING chain`;
const FORGET_JOIN_TOKENS = `
	DELETE FROM join_tokens WHERE hash IN (
		SELECT t.hash FROM join_tokens t LEFT JOIN certificates c ON c.serial = t.serial
		WHERE t.expires_at < :before AND (c.not_after IS NULL OR c.not_after < :before) LIMIT :limit)`;
/** One whose container is gone, and nothing of it is left. */
const OVER = `
	SELECT a.id FROM authorizations a
	WHERE a.ended_at < :before
		AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.authorization_id = a.id)
		AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.authorization_id = a.id)
	LIMIT :limit`;
/** One by one: of all the others, however old, the certificates may be alive, and would be looked for each time. */
const FORGET_REPORTS = [
	...['acknowledgements', 'reloads'].map((table) => `
	DELETE FROM ${table} WHERE chain = :chain AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.chain = :chain)`),
	'DELETE FROM renewal_demands WHERE chain = :chain AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.serial = renewal_demands.serial)',
];

export function createRetention(database: Database): RetentionStore {
	return {
		forgetExpired: (before, limit) => database.transaction(async (sql) => {
			const scope = { before: before.getTime(), limit };
			const joinTokens = await sql.run(FORGET_JOIN_TOKENS, scope);
			const certificates = await sql.all(FORGET_CERTIFICATES, scope);
			for (const chain of new Set(certificates.map((row) => row['chain'] as string))) {
				for (const forget of FORGET_REPORTS) await sql.run(forget, { chain });
			}
			return joinTokens + certificates.length + await forgetAuthorizations(sql, scope);
		}),
	};
}

async function forgetAuthorizations(sql: Sql, scope: { before: number; limit: number }): Promise<number> {
	const over = await sql.all(OVER, scope);
	for (const { id } of over) {
		await sql.run('DELETE FROM closed_starts WHERE authorization_id = :id', { id: id as string });
		await sql.run('DELETE FROM authorizations WHERE id = :id', { id: id as string });
	}
	return over.length;
}

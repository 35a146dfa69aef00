/** Revocation and the numbering of revocation lists. */

import type { RevocationReason } from '#common/protocol/messages.ts';
import { recordEvent } from './audit.ts';
import { bump } from './counters.ts';
import type { Database } from './database.ts';
import { instant } from './rows.ts';
import type { RevocationSelector, RevocationStore } from './store.ts';

/** Which certificates, and the tokens of which authorizations, a selector means. */
const MATCHES: Readonly<Record<RevocationSelector['by'], { certificates: string; authorizations?: string }>> = {
	serial: { certificates: 'serial = :value' },
	containerId: { certificates: 'authorization_id IN (SELECT id FROM authorizations WHERE container_id = :value)', authorizations: 'container_id = :value' },
	commonName: { certificates: 'common_name = :value', authorizations: 'common_name = :value' },
	node: { certificates: `node = :value AND role = 'workload'`, authorizations: 'node = :value' },
	authorization: { certificates: 'authorization_id = :value', authorizations: 'id = :value' },
};
const CERTIFICATE_EXISTS = `SELECT 1 FROM certificates WHERE serial = :value AND role <> 'ca' AND (CAST(:node AS TEXT) IS NULL OR node = :node)`;
const AUTHORIZATION_EXISTS = 'SELECT 1 FROM authorizations WHERE id = :value AND (CAST(:node AS TEXT) IS NULL OR node = :node)';
const CLOSE_START = 'INSERT INTO closed_starts (authorization_id, start_id, closed_at) VALUES (:value, :startId, :now) ON CONFLICT DO NOTHING';
// Ordered as its index is, without which SQLite reads every certificate there ever was.
const REVOKED = 'SELECT serial, revoked_at, revocation_reason FROM certificates WHERE revoked_at IS NOT NULL AND not_after > :after ORDER BY not_after';

const revokeMatching = (certificates: string): string => `
	UPDATE certificates SET revoked_at = :now, revocation_reason = :reason
	WHERE ${certificates} AND (CAST(:startId AS TEXT) IS NULL OR start_id = :startId) AND (CAST(:node AS TEXT) IS NULL OR node = :node)
		AND role <> 'ca' AND revoked_at IS NULL AND not_after > :now`;
const cancelMatching = (authorizations: string): string => `
	UPDATE tokens SET cancelled_at = :now
	WHERE redeemed_at IS NULL AND cancelled_at IS NULL AND (CAST(:startId AS TEXT) IS NULL OR start_id = :startId)
		AND authorization_id IN (SELECT id FROM authorizations WHERE ${authorizations} AND (CAST(:node AS TEXT) IS NULL OR node = :node))`;

export function createRevocations(database: Database): RevocationStore {
	return {
		revoke: (selector, node, reason, now, by) => database.transaction(async (sql) => {
			const startId = selector.by === 'authorization' ? selector.startId ?? null : null;
			const scope = { value: selector.value, node: node ?? null, startId, reason, now: now.getTime() };
			if (selector.by === 'serial' && !(await sql.get(CERTIFICATE_EXISTS, scope))) return undefined;
			if (selector.by === 'authorization' && !(await sql.get(AUTHORIZATION_EXISTS, scope))) return undefined;
			if (startId !== null) await sql.run(CLOSE_START, scope);
			const { certificates, authorizations } = MATCHES[selector.by];
			if (authorizations !== undefined) await sql.run(cancelMatching(authorizations), scope);
			const revoked = await sql.run(revokeMatching(certificates), scope);
			if (revoked > 0) await bump(sql, 'revocations');
			await recordEvent(sql, by, {
				at: now,
				action: 'certificate.revoke',
				outcome: 'done',
				subject: selector.value,
				details: { selector: selector.by, reason, revoked, ...(startId !== null && { startId }) },
			});
			return revoked;
		}),
		nextRevocationList: (endsAfter) => database.transaction(async (sql) => ({
			number: await bump(sql, 'crl-number'),
			entries: (await sql.all(REVOKED, { after: endsAfter.getTime() })).map((row) => ({
				serial: row['serial'] as string,
				revokedAt: instant(row['revoked_at']),
				reason: row['revocation_reason'] as RevocationReason,
			})),
		})),
	};
}

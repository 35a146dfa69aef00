/** Revocation and the numbering of revocation lists in SQLite. */

import type { DatabaseSync } from 'node:sqlite';
import type { RevocationReason } from '#common/protocol/messages.ts';
import { instant, transaction } from './sqlite-rows.ts';
import type { RevocationSelector, RevocationStore } from './store.ts';

/** Which certificates, and the tokens of which authorizations, a selector means. */
const MATCHES: Readonly<Record<RevocationSelector['by'], { certificates: string; authorizations: string | undefined }>> = {
	serial: { certificates: 'serial = :value', authorizations: undefined },
	containerId: { certificates: 'authorization_id IN (SELECT id FROM authorizations WHERE container_id = :value)', authorizations: 'container_id = :value' },
	commonName: { certificates: 'common_name = :value', authorizations: 'common_name = :value' },
	node: { certificates: `node = :value AND role = 'workload'`, authorizations: 'node = :value' },
	authorization: { certificates: 'authorization_id = :value', authorizations: 'id = :value' },
};

export function sqliteRevocations(db: DatabaseSync): RevocationStore {
	const statements = new Map(Object.entries(MATCHES).map(([by, { certificates, authorizations }]) => [by, {
		revoke: db.prepare(`
			UPDATE certificates SET revoked_at = :now, revocation_reason = :reason
			WHERE ${certificates} AND (:startId IS NULL OR start_id = :startId) AND (:node IS NULL OR node = :node)
				AND role <> 'ca' AND revoked_at IS NULL AND not_after > :now`),
		cancelTokens: authorizations === undefined ? undefined : db.prepare(`
			UPDATE tokens SET cancelled_at = :now
			WHERE redeemed_at IS NULL AND cancelled_at IS NULL AND (:startId IS NULL OR start_id = :startId)
				AND authorization_id IN (SELECT id FROM authorizations WHERE ${authorizations} AND (:node IS NULL OR node = :node))`),
	}]));
	const certificateExists = db.prepare(`SELECT 1 FROM certificates WHERE serial = :value AND role <> 'ca' AND (:node IS NULL OR node = :node)`);
	const authorizationExists = db.prepare('SELECT 1 FROM authorizations WHERE id = :value AND (:node IS NULL OR node = :node)');
	const closeStart = db.prepare('INSERT INTO closed_starts (authorization_id, start_id, closed_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
	const takeNumber = db.prepare(`UPDATE counters SET value = value + 1 WHERE name = 'crl-number' RETURNING value`);
	// Ordered as its index is, without which SQLite reads every certificate there ever was.
	const revoked = db.prepare('SELECT serial, revoked_at, revocation_reason FROM certificates WHERE revoked_at IS NOT NULL AND not_after > ? ORDER BY not_after');

	return {
		async revoke(selector, node, reason, now) {
			return transaction(db, () => {
				const scope = { value: selector.value, node: node ?? null };
				if (selector.by === 'serial' && !certificateExists.get(scope)) return undefined;
				if (selector.by === 'authorization' && !authorizationExists.get(scope)) return undefined;
				const startId = selector.by === 'authorization' ? selector.startId ?? null : null;
				if (startId !== null) closeStart.run(selector.value, startId, now.getTime());
				const { revoke, cancelTokens } = statements.get(selector.by)!;
				cancelTokens?.run({ ...scope, startId, now: now.getTime() });
				return Number(revoke.run({ ...scope, startId, reason, now: now.getTime() }).changes);
			});
		},
		async nextRevocationList(endsAfter) {
			return transaction(db, () => ({
				number: takeNumber.get()!['value'] as number,
				entries: revoked.all(endsAfter.getTime()).map((row) => ({
					serial: row['serial'] as string,
					revokedAt: instant(row['revoked_at']),
					reason: row['revocation_reason'] as RevocationReason,
				})),
			}));
		},
	};
}

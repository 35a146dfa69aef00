/** Revocation: what a selector means, and revoking it. */

import { recordEvent } from './audit.ts';
import type { Database } from './database.ts';
import { revokeCertificates } from './revoke-certificates.ts';
import { toIdentity } from './rows.ts';
import type { RevocationSelector, RevocationStore } from './store.ts';

/** Which certificates, and the tokens of which authorizations, a selector means. */
const MATCHES: Readonly<Record<RevocationSelector['by'], { certificates: string; authorizations?: string }>> = {
	serial: { certificates: 'serial = :value' },
	chain: { certificates: 'chain IN (SELECT chain FROM certificates WHERE serial = :value)' },
	containerId: { certificates: 'authorization_id IN (SELECT id FROM authorizations WHERE container_id = :value)', authorizations: 'container_id = :value' },
	commonName: { certificates: 'common_name = :value', authorizations: 'common_name = :value' },
	node: { certificates: `node = :value AND role = 'workload'`, authorizations: 'node = :value' },
	authorization: { certificates: 'authorization_id = :value', authorizations: 'id = :value' },
};
const CERTIFICATE_EXISTS = `SELECT 1 FROM certificates WHERE serial = :value AND role <> 'ca' AND (:node IS NULL OR node = :node)`;
const AUTHORIZATION_EXISTS = 'SELECT 1 FROM authorizations WHERE id = :value AND (:node IS NULL OR node = :node)';
/** What has to exist, for selectors that name one thing. */
const EXISTS: Readonly<Partial<Record<RevocationSelector['by'], string>>> = {
	serial: CERTIFICATE_EXISTS,
	chain: CERTIFICATE_EXISTS,
	authorization: AUTHORIZATION_EXISTS,
};
const CLOSE_START = 'INSERT INTO closed_starts (authorization_id, start_id, closed_at) VALUES (:value, :startId, :now) ON CONFLICT DO NOTHING';

const inScope = (certificates: string): string => `(${certificates}) AND (:startId IS NULL OR start_id = :startId) AND (:node IS NULL OR node = :node)`;
const cancelMatching = (authorizations: string): string => `
	UPDATE tokens SET cancelled_at = :now
	WHERE redeemed_at IS NULL AND cancelled_at IS NULL AND (:startId IS NULL OR start_id = :startId)
		AND authorization_id IN (SELECT id FROM authorizations WHERE ${authorizations} AND (:node IS NULL OR node = :node))`;
const live = (certificates: string): string => `
	(SELECT * FROM certificates WHERE ${inScope(certificates)} AND role <> 'ca' AND revoked_at IS NULL AND not_after > :now) c`;

function scopeOf(selector: RevocationSelector, node: string | undefined) {
	return { value: selector.value, node: node ?? null, startId: selector.by === 'authorization' ? selector.startId ?? null : null };
}

export function createRevocations(database: Database): RevocationStore {
	return {
		revoke: (selector, node, reason, now, by) => database.transaction(async (sql) => {
			const scope = scopeOf(selector, node);
			const { certificates, authorizations } = MATCHES[selector.by];
			const existence = EXISTS[selector.by];
			if (existence !== undefined && !(await sql.get(existence, scope))) return undefined;
			const at = { ...scope, now: now.getTime() };
			const isFirst = scope.startId === null || (await sql.run(CLOSE_START, at)) > 0;
			if (authorizations !== undefined) await sql.run(cancelMatching(authorizations), at);
			const revoked = await revokeCertificates(sql, inScope(certificates), scope, reason, now);
			// A node that did not hear the answer says once more that a start is over.
			if (isFirst || revoked > 0) {
				await recordEvent(sql, by, {
					at: now,
					action: 'certificate.revoke',
					outcome: 'done',
					subject: selector.value,
					details: { selector: selector.by, reason, revoked, ...(scope.startId !== null && { startId: scope.startId }) },
				});
			}
			return revoked;
		}, 'revocations'),
		previewRevocation: (selector, node, now, limit) => database.read(async (sql) => {
			const scope = { ...scopeOf(selector, node), now: now.getTime(), limit };
			const { certificates } = MATCHES[selector.by];
			const existence = EXISTS[selector.by];
			if (existence !== undefined && !(await sql.get(existence, scope))) return undefined;
			const counted = await sql.get(`SELECT count(*) AS number FROM ${live(certificates)}`, scope);
			const rows = await sql.all(`
				SELECT c.*, a.container_id, a.container_name, a.image, a.image_id
				FROM ${live(certificates)} LEFT JOIN authorizations a ON a.id = c.authorization_id
				ORDER BY c.sequence DESC LIMIT :limit`, scope);
			return { count: Number(counted!['number']), identities: rows.map(toIdentity) };
		}),
	};
}

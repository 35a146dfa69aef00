/** Nodes and join tokens in SQLite. */

import type { DatabaseSync } from 'node:sqlite';
import type { JoinTokenRecord } from './records.ts';
import { redemptionState } from './redemption.ts';
import { certificateInserter, isNewestLive } from './sqlite-certificates.ts';
import { instant, optional, toCertificate, toNode, transaction, type Row } from './sqlite-rows.ts';
import type { NodeStore } from './store.ts';

export function sqliteNodes(db: DatabaseSync): NodeStore {
	const insertToken = db.prepare('INSERT INTO join_tokens (hash, role, name, allow, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)');
	const selectToken = db.prepare(`
		SELECT t.role AS token_role, t.name AS token_name, t.allow, t.created_at, t.expires_at, t.cancelled_at, t.redeemed_at, c.*
		FROM join_tokens t LEFT JOIN certificates c ON c.serial = t.serial WHERE t.hash = ?`);
	const burnToken = db.prepare('UPDATE join_tokens SET redeemed_at = ?, serial = ? WHERE hash = ?');
	const selectNode = db.prepare('SELECT * FROM nodes WHERE name = ?');
	const selectNodes = db.prepare(`
		SELECT n.*, (SELECT count(*) FROM certificates c
			WHERE c.node = n.name AND c.role = 'workload' AND ${isNewestLive('c')}
		) AS live FROM nodes n ORDER BY n.name`);
	const putNode = db.prepare(`
		INSERT INTO nodes (name, status, allow, joined_at) VALUES (:name, 'active', :allow, :now)
		ON CONFLICT (name) DO UPDATE SET status = 'active', allow = :allow, joined_at = :now`);
	const updateAllow = db.prepare('UPDATE nodes SET allow = ? WHERE name = ?');
	const cutOff = db.prepare(`UPDATE nodes SET status = 'cut-off' WHERE name = ?`);
	const endAuthorizations = db.prepare('UPDATE authorizations SET ended_at = :now WHERE node = :node AND ended_at IS NULL');
	const supersede = db.prepare(`
		UPDATE certificates SET revoked_at = :now, revocation_reason = 'superseded'
		WHERE node = :node AND role = 'node' AND revoked_at IS NULL AND not_after > :now`);
	const revokeAll = db.prepare(`
		UPDATE certificates SET revoked_at = :now, revocation_reason = 'privilegeWithdrawn'
		WHERE node = :node AND revoked_at IS NULL AND not_after > :now`);
	const cancelTokens = db.prepare(`
		UPDATE join_tokens SET cancelled_at = :now
		WHERE role = 'node' AND name = :node AND redeemed_at IS NULL AND cancelled_at IS NULL`);
	const insertCertificate = certificateInserter(db);

	const findToken = (hash: Buffer): JoinTokenRecord | undefined => {
		const row = selectToken.get(hash);
		return row && toJoinToken(hash, row);
	};
	return {
		async addJoinToken(token) {
			insertToken.run(token.hash, token.role, token.name ?? null, JSON.stringify(token.allow), token.createdAt.getTime(), token.expiresAt.getTime());
		},
		async findJoinToken(hash) {
			return findToken(hash);
		},
		async redeemJoinToken(hash, certificate, attempt) {
			return transaction(db, () => {
				const token = findToken(hash);
				if (!token) return { outcome: 'unknown' };
				const state = redemptionState(token, attempt);
				if (state === 'repeat') return { outcome: state, certificate: token.redeemed!.certificate };
				if (state !== 'open') return { outcome: state };
				const now = attempt.now.getTime();
				let revoked = 0;
				if (token.role === 'node') {
					const name = certificate.commonName;
					if (selectNode.get(name) && token.name !== name) return { outcome: 'node-exists' };
					revoked = Number(supersede.run({ node: name, now }).changes);
					putNode.run({ name, allow: JSON.stringify(token.allow), now });
				}
				insertCertificate(certificate);
				burnToken.run(now, certificate.serial, hash);
				return { outcome: 'issued', certificate, revoked };
			});
		},
		async findNode(name) {
			const row = selectNode.get(name);
			return row && toNode(row);
		},
		async listNodes(now) {
			return selectNodes.all({ now: now.getTime() }).map((row) => ({ ...toNode(row), liveIdentities: row['live'] as number }));
		},
		async setAllow(node, allow) {
			return updateAllow.run(JSON.stringify(allow), node).changes === 1;
		},
		async cutOffNode(node, now) {
			return transaction(db, () => {
				if (cutOff.run(node).changes === 0) return undefined;
				const at = { node, now: now.getTime() };
				endAuthorizations.run(at);
				cancelTokens.run(at);
				return Number(revokeAll.run(at).changes);
			});
		},
	};
}

function toJoinToken(hash: Buffer, row: Row): JoinTokenRecord {
	return {
		hash,
		role: row['token_role'] as JoinTokenRecord['role'],
		...optional('name', row['token_name']),
		allow: JSON.parse(row['allow'] as string) as string[],
		createdAt: instant(row['created_at']),
		expiresAt: instant(row['expires_at']),
		cancelled: row['cancelled_at'] !== null,
		...(row['redeemed_at'] == null ? {} : { redeemed: { at: instant(row['redeemed_at']), certificate: toCertificate(row) } }),
	};
}

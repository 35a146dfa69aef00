/** Authorizations of containers and the tokens of their starts in SQLite. */

import type { DatabaseSync } from 'node:sqlite';
import type { AuthorizationRecord, TokenRecord } from './records.ts';
import { redemptionState } from './redemption.ts';
import { certificateInserter } from './sqlite-certificates.ts';
import { instant, toAuthorization, toCertificate, transaction } from './sqlite-rows.ts';
import type { AuthorizationStore } from './store.ts';

export function sqliteAuthorizations(db: DatabaseSync): AuthorizationStore {
	const isActive = db.prepare(`SELECT 1 FROM nodes WHERE name = ? AND status = 'active'`);
	const insert = db.prepare(`
		INSERT INTO authorizations (id, node, container_id, container_name, image, image_id, common_name, organizational_unit, dns_names, lifetime_seconds, created_at)
		VALUES (:id, :node, :containerId, :containerName, :image, :imageId, :commonName, :organizationalUnit, :dnsNames, :lifetimeSeconds, :createdAt)`);
	const byContainer = db.prepare('SELECT * FROM authorizations WHERE node = ? AND container_id = ?');
	const byId = db.prepare('SELECT * FROM authorizations WHERE id = ?');
	const end = db.prepare('UPDATE authorizations SET ended_at = ? WHERE id = ? AND ended_at IS NULL');
	const revokeCertificates = db.prepare(`
		UPDATE certificates SET revoked_at = :now, revocation_reason = 'cessationOfOperation'
		WHERE authorization_id = :id AND revoked_at IS NULL AND not_after > :now`);
	const insertToken = db.prepare('INSERT INTO tokens (hash, authorization_id, start_id, expires_at) VALUES (?, ?, ?, ?)');
	const cancelTokens = db.prepare('UPDATE tokens SET cancelled_at = :now WHERE authorization_id = :id AND redeemed_at IS NULL AND cancelled_at IS NULL');
	const selectToken = db.prepare('SELECT * FROM tokens WHERE hash = ?');
	const burnToken = db.prepare('UPDATE tokens SET redeemed_at = ?, serial = ? WHERE hash = ?');
	const forget = db.prepare('DELETE FROM tokens WHERE expires_at < ?');
	const isClosed = db.prepare('SELECT 1 FROM closed_starts WHERE authorization_id = ? AND start_id = ?');
	const selectCertificate = db.prepare('SELECT * FROM certificates WHERE serial = ?');
	const insertCertificate = certificateInserter(db);

	const findAuthorization = (id: string): AuthorizationRecord | undefined => {
		const row = byId.get(id);
		return row && toAuthorization(row);
	};
	const findToken = (hash: Buffer): TokenRecord | undefined => {
		const row = selectToken.get(hash);
		if (!row) return undefined;
		const authorization = findAuthorization(row['authorization_id'] as string)!;
		const startId = row['start_id'] as string;
		return {
			hash,
			authorization,
			startId,
			expiresAt: instant(row['expires_at']),
			cancelled: row['cancelled_at'] !== null,
			startClosed: isClosed.get(authorization.id, startId) !== undefined,
			...(row['redeemed_at'] === null ? {} : {
				redeemed: { at: instant(row['redeemed_at']), certificate: toCertificate(selectCertificate.get(row['serial'] as string)!) },
			}),
		};
	};
	return {
		async authorize(wanted) {
			return transaction(db, () => {
				if (!isActive.get(wanted.node)) return { outcome: 'cut-off' };
				const row = byContainer.get(wanted.node, wanted.containerId);
				if (row) {
					const authorization = toAuthorization(row);
					const outcome = authorization.endedAt ? 'ended' : sameNames(authorization, wanted) ? 'existing' : 'conflict';
					return { outcome, authorization };
				}
				const { endedAt: _, containerName = null, imageId = null, dnsNames, createdAt, ...rest } = wanted;
				insert.run({ ...rest, containerName, imageId, dnsNames: JSON.stringify(dnsNames), createdAt: createdAt.getTime() });
				return { outcome: 'created', authorization: wanted };
			});
		},
		async mintToken({ hash, authorizationId, node, startId, expiresAt }, now) {
			return transaction(db, () => {
				const authorization = findAuthorization(authorizationId);
				if (authorization?.node !== node) return 'unknown';
				if (authorization.endedAt) return 'ended';
				if (isClosed.get(authorizationId, startId)) return 'start-closed';
				cancelTokens.run({ id: authorizationId, now: now.getTime() });
				insertToken.run(hash, authorizationId, startId, expiresAt.getTime());
				return 'minted';
			});
		},
		async findToken(hash) {
			return findToken(hash);
		},
		async redeemToken(hash, certificate, attempt) {
			return transaction(db, () => {
				const token = findToken(hash);
				if (!token) return { outcome: 'unknown' };
				const state = redemptionState(token, attempt);
				if (state === 'repeat') return { outcome: state, certificate: token.redeemed!.certificate };
				if (state !== 'open') return { outcome: state };
				insertCertificate(certificate);
				burnToken.run(attempt.now.getTime(), certificate.serial, hash);
				return { outcome: 'issued', certificate };
			});
		},
		async findAuthorization(id) {
			return findAuthorization(id);
		},
		async endAuthorization(id, node, now) {
			return transaction(db, () => {
				const authorization = findAuthorization(id);
				if (!authorization || (node !== undefined && authorization.node !== node)) return undefined;
				end.run(now.getTime(), id);
				return Number(revokeCertificates.run({ id, now: now.getTime() }).changes);
			});
		},
		async forgetTokens(expiredBefore) {
			forget.run(expiredBefore.getTime());
		},
	};
}

function sameNames(one: AuthorizationRecord, other: AuthorizationRecord): boolean {
	return one.commonName === other.commonName
		&& one.organizationalUnit === other.organizationalUnit
		&& one.dnsNames.length === other.dnsNames.length
		&& one.dnsNames.every((name) => other.dnsNames.includes(name));
}

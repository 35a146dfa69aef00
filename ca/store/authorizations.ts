/** Authorizations of containers and the tokens of their starts. */

import { recordEvent } from './audit.ts';
import { findCertificate, insertCertificate } from './certificates.ts';
import type { Database, Reader } from './database.ts';
import type { AuthorizationRecord, TokenRecord } from './records.ts';
import { redemptionState } from './redemption.ts';
import { revokeCertificates } from './revoke-certificates.ts';
import { instant, toAuthorization } from './rows.ts';
import type { AuthorizationStore } from './store.ts';

const INSERT = `
	INSERT INTO authorizations (id, node, container_id, container_name, image, image_id, common_name, organizational_unit, dns_names, profile, lifetime_seconds, created_at)
	VALUES (:id, :node, :containerId, :containerName, :image, :imageId, :commonName, :organizationalUnit, :dnsNames, :profile, :lifetimeSeconds, :createdAt)`;
const SELECT_TOKEN = `
	SELECT a.*, t.start_id, t.expires_at, t.cancelled_at, t.redeemed_at, t.serial, closed.start_id AS closed_start
	FROM tokens t JOIN authorizations a ON a.id = t.authorization_id
		LEFT JOIN closed_starts closed ON closed.authorization_id = t.authorization_id AND closed.start_id = t.start_id
	WHERE t.hash = :hash`;
const CANCEL_TOKENS = 'UPDATE tokens SET cancelled_at = :now WHERE authorization_id = :id AND redeemed_at IS NULL AND cancelled_at IS NULL';

export function createAuthorizations(database: Database): AuthorizationStore {
	return {
		authorize: (wanted, by) => database.transaction(async (sql) => {
			const { id, node, containerId, containerName = null, image, imageId = null, commonName, organizationalUnit, dnsNames, profile = null, lifetimeSeconds } = wanted;
			if (!(await sql.get(`SELECT 1 FROM nodes WHERE name = :node AND status = 'active'`, { node }))) return { outcome: 'cut-off' };
			const row = await sql.get('SELECT * FROM authorizations WHERE node = :node AND container_id = :containerId', { node, containerId });
			if (row) {
				const authorization = toAuthorization(row);
				const outcome = authorization.endedAt ? 'ended' : sameNames(authorization, wanted) ? 'existing' : 'conflict';
				return { outcome, authorization };
			}
			const names = { commonName, organizationalUnit };
			await sql.run(INSERT, {
				id, node, containerId, containerName, image, imageId, ...names, dnsNames: JSON.stringify(dnsNames), profile, lifetimeSeconds, createdAt: wanted.createdAt.getTime(),
			});
			await recordEvent(sql, by, {
				at: wanted.createdAt, action: 'authorization.create', outcome: 'done', subject: id, details: { node, containerId, image, ...names, dnsNames, ...(profile !== null && { profile }) },
			});
			return { outcome: 'created', authorization: wanted };
		}),
		mintToken: ({ hash, authorizationId: id, node, startId, containerName, expiresAt }, now, by) => database.transaction(async (sql) => {
			const authorization = await findAuthorization(sql, id);
			if (authorization?.node !== node) return 'unknown';
			if (authorization.endedAt) return 'ended';
			if (await sql.get('SELECT 1 FROM closed_starts WHERE authorization_id = :id AND start_id = :startId', { id, startId })) return 'start-closed';
			if (containerName !== undefined) await sql.run('UPDATE authorizations SET container_name = :containerName WHERE id = :id', { id, containerName });
			await sql.run(CANCEL_TOKENS, { id, now: now.getTime() });
			await sql.run(
				'INSERT INTO tokens (hash, authorization_id, start_id, expires_at) VALUES (:hash, :id, :startId, :expiresAt)',
				{ hash, id, startId, expiresAt: expiresAt.getTime() },
			);
			await recordEvent(sql, by, { at: now, action: 'token.mint', outcome: 'done', subject: id, details: { startId, expiresAt: expiresAt.toISOString() } });
			return 'minted';
		}),
		findToken: (hash) => database.read((sql) => findToken(sql, hash)),
		redeemToken: (hash, certificate, attempt, by) => database.transaction(async (sql) => {
			const token = await findToken(sql, hash);
			if (!token) return { outcome: 'unknown' };
			const state = redemptionState(token, attempt);
			if (state === 'repeat') return { outcome: state, certificate: token.redeemed!.certificate };
			if (state !== 'open') return { outcome: state };
			await insertCertificate(sql, certificate, by, attempt.generations);
			await sql.run(
				'UPDATE tokens SET redeemed_at = :now, serial = :serial WHERE hash = :hash',
				{ now: attempt.now.getTime(), serial: certificate.serial, hash },
			);
			return { outcome: 'issued', certificate };
		}, 'issue'),
		findAuthorization: (id) => database.read((sql) => findAuthorization(sql, id)),
		endAuthorization: (id, node, now, by) => database.transaction(async (sql) => {
			const authorization = await findAuthorization(sql, id);
			if (!authorization || (node !== undefined && authorization.node !== node)) return undefined;
			const ended = await sql.run('UPDATE authorizations SET ended_at = :now WHERE id = :id AND ended_at IS NULL', { id, now: now.getTime() });
			const revoked = await revokeCertificates(sql, 'authorization_id = :id', { id }, 'cessationOfOperation', now);
			if (ended + revoked > 0) {
				await recordEvent(sql, by, { at: now, action: 'authorization.end', outcome: 'done', subject: id, details: { node: authorization.node, revoked } });
			}
			return revoked;
		}, 'revocations'),
		forgetTokens: (expiredBefore) => database.transaction(async (sql) => {
			await sql.run('DELETE FROM tokens WHERE expires_at < :before', { before: expiredBefore.getTime() });
		}),
	};
}

async function findAuthorization(sql: Reader, id: string): Promise<AuthorizationRecord | undefined> {
	const row = await sql.get('SELECT * FROM authorizations WHERE id = :id', { id });
	return row && toAuthorization(row);
}

async function findToken(sql: Reader, hash: Buffer): Promise<TokenRecord | undefined> {
	const row = await sql.get(SELECT_TOKEN, { hash });
	if (!row) return undefined;
	const isRedeemed = row['redeemed_at'] !== null;
	return {
		hash,
		authorization: toAuthorization(row),
		startId: row['start_id'] as string,
		expiresAt: instant(row['expires_at']),
		cancelled: row['cancelled_at'] !== null,
		startClosed: row['closed_start'] !== null,
		...(isRedeemed && { redeemed: { at: instant(row['redeemed_at']), certificate: (await findCertificate(sql, row['serial'] as string))! } }),
	};
}

function sameNames(one: AuthorizationRecord, other: AuthorizationRecord): boolean {
	return one.commonName === other.commonName
		&& one.organizationalUnit === other.organizationalUnit
		&& (one.profile ?? 'workload') === (other.profile ?? 'workload')
		&& one.dnsNames.length === other.dnsNames.length
		&& one.dnsNames.every((name) => other.dnsNames.includes(name));
}

/** Nodes and join tokens. */

import { recordEvent } from './audit.ts';
import { insertCertificate, isNewestLive } from './certificates.ts';
import type { Database, Reader, Row } from './database.ts';
import type { JoinTokenRecord } from './records.ts';
import { redemptionState } from './redemption.ts';
import { revokeCertificates } from './revoke-certificates.ts';
import { instant, optional, toCertificate, toNode } from './rows.ts';
import type { NodeStore } from './store.ts';

const SELECT_TOKEN = `
	SELECT t.role AS token_role, t.name AS token_name, t.allow, t.created_at, t.expires_at, t.cancelled_at, t.redeemed_at, c.*
	FROM join_tokens t LEFT JOIN certificates c ON c.serial = t.serial WHERE t.hash = :hash`;
const SELECT_NODES = `
	SELECT n.*, (SELECT count(*) FROM certificates c WHERE c.node = n.name AND c.role = 'workload' AND ${isNewestLive('c')}) AS live
	FROM nodes n ORDER BY n.name`;
const PUT_NODE = `
	INSERT INTO nodes (name, status, allow, joined_at) VALUES (:node, 'active', :allow, :now)
	ON CONFLICT (name) DO UPDATE SET status = 'active', allow = :allow, joined_at = :now`;
const CANCEL_TOKENS = `
	UPDATE join_tokens SET cancelled_at = :now
	WHERE role = 'node' AND name = :node AND redeemed_at IS NULL AND cancelled_at IS NULL`;

export function createNodes(database: Database): NodeStore {
	return {
		addJoinToken: (token, by) => database.transaction(async (sql) => {
			const { hash, role, name, allow, createdAt, expiresAt } = token;
			await sql.run(
				'INSERT INTO join_tokens (hash, role, name, allow, created_at, expires_at) VALUES (:hash, :role, :name, :allow, :createdAt, :expiresAt)',
				{ hash, role, name: name ?? null, allow: JSON.stringify(allow), createdAt: createdAt.getTime(), expiresAt: expiresAt.getTime() },
			);
			const details = { role, allow, expiresAt: expiresAt.toISOString() };
			await recordEvent(sql, by, { at: createdAt, action: 'join-token.mint', outcome: 'done', ...(name !== undefined && { subject: name }), details });
		}),
		findJoinToken: (hash) => database.read((sql) => findToken(sql, hash)),
		redeemJoinToken: (hash, certificate, attempt, by) => database.transaction(async (sql) => {
			const token = await findToken(sql, hash);
			if (!token) return { outcome: 'unknown' };
			const state = redemptionState(token, attempt);
			if (state === 'repeat') return { outcome: state, certificate: token.redeemed!.certificate };
			if (state !== 'open') return { outcome: state };
			const now = attempt.now.getTime();
			let revoked = 0;
			if (token.role === 'node') {
				const node = certificate.commonName;
				if (token.name !== node && (await findNode(sql, node))) return { outcome: 'node-exists' };
				revoked = await revokeCertificates(sql, `node = :node AND role = 'node'`, { node }, 'superseded', attempt.now);
				await sql.run(PUT_NODE, { node, allow: JSON.stringify(token.allow), now });
				await recordEvent(sql, by, { at: attempt.now, action: 'node.join', outcome: 'done', subject: node, details: { allow: token.allow, revoked } });
			}
			await insertCertificate(sql, certificate, by, attempt.generations);
			await sql.run('UPDATE join_tokens SET redeemed_at = :now, serial = :serial WHERE hash = :hash', { now, serial: certificate.serial, hash });
			return { outcome: 'issued', certificate, revoked };
		}, 'issue'),
		findNode: (name) => database.read((sql) => findNode(sql, name)),
		listNodes: (now) => database.read(async (sql) => {
			const rows = await sql.all(SELECT_NODES, { now: now.getTime() });
			return rows.map((row) => ({ ...toNode(row), liveIdentities: row['live'] as number }));
		}),
		changeAllow: (node, change, now, by) => database.transaction(async (sql) => {
			const known = await findNode(sql, node);
			if (!known) return undefined;
			const allow = change(known.allow);
			await sql.run('UPDATE nodes SET allow = :allow WHERE name = :node', { node, allow: JSON.stringify(allow) });
			await recordEvent(sql, by, { at: now, action: 'node.allow', outcome: 'done', subject: node, details: { allow } });
			return allow;
		}),
		cutOffNode: (node, now, by) => database.transaction(async (sql) => {
			if ((await sql.run(`UPDATE nodes SET status = 'cut-off' WHERE name = :node`, { node })) === 0) return undefined;
			const at = { node, now: now.getTime() };
			await sql.run('UPDATE authorizations SET ended_at = :now WHERE node = :node AND ended_at IS NULL', at);
			await sql.run(CANCEL_TOKENS, at);
			const revoked = await revokeCertificates(sql, 'node = :node', { node }, 'privilegeWithdrawn', now);
			await recordEvent(sql, by, { at: now, action: 'node.cut-off', outcome: 'done', subject: node, details: { revoked } });
			return revoked;
		}, 'revocations'),
	};
}

async function findNode(sql: Reader, name: string) {
	const row = await sql.get('SELECT * FROM nodes WHERE name = :name', { name });
	return row && toNode(row);
}

async function findToken(sql: Reader, hash: Buffer): Promise<JoinTokenRecord | undefined> {
	const row = await sql.get(SELECT_TOKEN, { hash });
	return row && toJoinToken(hash, row);
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

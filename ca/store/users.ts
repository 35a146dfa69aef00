/** Users who sign tokens, and which of their tokens are spent. */

import { recordEvent } from './audit.ts';
import { findCertificate, insertCertificate, isNewestLive } from './certificates.ts';
import { raise, readCounter } from './counters.ts';
import type { Database, Reader, Row } from './database.ts';
import type { Redeemed, UserRecord } from './records.ts';
import { usedTokenState } from './redemption.ts';
import { revokeCertificates } from './revoke-certificates.ts';
import { instant } from './rows.ts';
import type { UserStore } from './store.ts';

const SELECT_USERS = `
	SELECT u.*, (SELECT count(*) FROM certificates c WHERE c.user_name = u.name AND ${isNewestLive('c')}) AS live
	FROM users u ORDER BY u.name`;
const PUT = `
	INSERT INTO users (name, public_key, algorithm, allow, status, created_at) VALUES (:name, :publicKey, :algorithm, :allow, 'active', :now)
	ON CONFLICT (name) DO UPDATE SET public_key = :publicKey, algorithm = :algorithm, allow = :allow, status = 'active', created_at = :now`;
const BURN = `
	INSERT INTO used_token_ids (issuer, jti, expires_at, serial, public_key_hash, redeemed_at)
	VALUES (:user, :jti, :expiresAt, :serial, :publicKeyHash, :now)`;

export function createUsers(database: Database): UserStore {
	return {
		putUser: (user, by) => database.transaction(async (sql) => {
			const { name, publicKey, algorithm, allow, createdAt } = user;
			const known = await findUser(sql, name);
			if (known?.status === 'active' && known.publicKey !== publicKey) return 'exists';
			await sql.run(PUT, { name, publicKey, algorithm, allow: JSON.stringify(allow), now: (known?.status === 'active' ? known : user).createdAt.getTime() });
			await recordEvent(sql, by, { at: createdAt, action: 'user.add', outcome: 'done', subject: name, details: { algorithm, allow } });
			return 'put';
		}),
		findUser: (name) => database.read((sql) => findUser(sql, name)),
		listUsers: (now) => database.read(async (sql) => {
			const rows = await sql.all(SELECT_USERS, { now: now.getTime() });
			return rows.map((row) => ({ ...toUser(row), liveIdentities: row['live'] as number }));
		}),
		setUserAllow: (name, allow, now, by) => database.transaction(async (sql) => {
			if ((await sql.run('UPDATE users SET allow = :allow WHERE name = :name', { name, allow: JSON.stringify(allow) })) === 0) return false;
			await recordEvent(sql, by, { at: now, action: 'user.allow', outcome: 'done', subject: name, details: { allow } });
			return true;
		}),
		cutOffUser: (name, now, by) => database.transaction(async (sql) => {
			if ((await sql.run(`UPDATE users SET status = 'cut-off' WHERE name = :name`, { name })) === 0) return undefined;
			const revoked = await revokeCertificates(sql, 'user_name = :name', { name }, 'privilegeWithdrawn', now);
			await recordEvent(sql, by, { at: now, action: 'user.cut-off', outcome: 'done', subject: name, details: { revoked } });
			return revoked;
		}, 'revocations'),
		findTokenUse: (user, jti) => database.read((sql) => findTokenUse(sql, user, jti)),
		redeemUserToken: ({ user, publicKey, jti, issuedAt, expiresAt }, certificate, attempt, by) => database.transaction(async (sql) => {
			// Whoever was cut off and came back with another key starts anew: what the old key signed is worth nothing.
			const known = await findUser(sql, user);
			if (known?.status !== 'active' || known.publicKey !== publicKey) return { outcome: 'cut-off' };
			const use = await findTokenUse(sql, user, jti);
			if (use) {
				const state = usedTokenState(use, attempt);
				return state === 'repeat' ? { outcome: state, certificate: use.certificate } : { outcome: state };
			}
			// What was forgotten while the clock was ahead may have been this token's use.
			if (expiresAt.getTime() <= await readCounter(sql, 'token-uses')) return { outcome: 'expired' };
			// What is older than the last restore may have been used after the backup.
			if (issuedAt.getTime() <= await readCounter(sql, 'restored')) return { outcome: 'expired' };
			const { serial } = certificate;
			await insertCertificate(sql, certificate, by, attempt.generations);
			await sql.run(BURN, { user, jti, expiresAt: expiresAt.getTime(), serial, publicKeyHash: attempt.publicKeyHash, now: attempt.now.getTime() });
			return { outcome: 'issued', certificate };
		}, 'issue'),
		forgetTokenUses: (expiredBefore) => database.transaction(async (sql) => {
			const before = expiredBefore.getTime();
			const last = await sql.get('SELECT max(expires_at) AS instant FROM used_token_ids WHERE expires_at < :before', { before });
			if (last?.['instant'] == null) return;
			await sql.run('DELETE FROM used_token_ids WHERE expires_at < :before', { before });
			await raise(sql, 'token-uses', last['instant'] as number);
		}),
	};
}

async function findUser(sql: Reader, name: string): Promise<UserRecord | undefined> {
	const row = await sql.get('SELECT * FROM users WHERE name = :name', { name });
	return row && toUser(row);
}

async function findTokenUse(sql: Reader, user: string, jti: string): Promise<Redeemed | undefined> {
	const row = await sql.get('SELECT serial, redeemed_at FROM used_token_ids WHERE issuer = :user AND jti = :jti', { user, jti });
	if (!row) return undefined;
	const certificate = await findCertificate(sql, row['serial'] as string);
	if (!certificate) throw new Error('the certificate of a token that was redeemed is not there');
	return { at: instant(row['redeemed_at']), certificate };
}

function toUser(row: Row): UserRecord {
	return {
		name: row['name'] as string,
		publicKey: row['public_key'] as string,
		algorithm: row['algorithm'] as UserRecord['algorithm'],
		allow: JSON.parse(row['allow'] as string) as string[],
		status: row['status'] as UserRecord['status'],
		createdAt: instant(row['created_at']),
	};
}

/** The authorities, the trust bundles, and who has taken up which bundle. */

import type { Role } from '#common/protocol/messages.ts';
import { recordEvent } from './audit.ts';
import { isNewestLive } from './certificates.ts';
import { bump, raise, readCounter } from './counters.ts';
import type { Database, Parameters, Reader, Row, Sql } from './database.ts';
import { revokeCertificates } from './revoke-certificates.ts';
import { bytes, instant, optional } from './rows.ts';
import type { TrustStore } from './store.ts';
import type { AuthorityRecord, AuthorityState, BundleRecord, Laggards, TrustChange, TrustRecord } from './trust-records.ts';

const COLUMNS = [
	'generation', 'state', 'manual', 'root', 'root_key', 'cross_certificate', 'intermediate', 'intermediate_key', 'root_crl', 'created_at', 'changed_at',
];
const PUT_AUTHORITY = `
	INSERT INTO authorities (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((column) => `:${column}`).join(', ')})
	ON CONFLICT (generation) DO UPDATE SET ${COLUMNS.slice(1).map((column) => `${column} = :${column}`).join(', ')}`;
const PUT_BUNDLE = `
	INSERT INTO trust_bundles (digest, bundle, published_at) VALUES (:digest, :bundle, :publishedAt) ON CONFLICT (digest) DO NOTHING`;
const CANCEL_TOKENS = ['tokens', 'join_tokens'].map((table) => `
	UPDATE ${table} SET cancelled_at = :now WHERE redeemed_at IS NULL AND cancelled_at IS NULL`);
const ACKNOWLEDGE = `
	INSERT INTO acknowledgements (chain, digest, at) VALUES (:chain, :digest, :at)
	ON CONFLICT (chain) DO UPDATE SET digest = :digest, at = :at`;
const FIRST_LAGGARDS = 20;
/** Revoked by one statement: a server ends statements that take long, and the largest fleet is to be brought down as well. */
const REVOKED_AT_ONCE = 20_000;

export function createTrust(database: Database, revokedAtOnce = REVOKED_AT_ONCE): TrustStore {
	return {
		trustVersion: () => database.read((sql) => readCounter(sql, 'trust')),
		// In a transaction, because a change may come between two statements.
		readTrust: () => database.transaction(readTrust),
		changeTrust: (change, by) => database.transaction(async (sql) => {
			if ((await readCounter(sql, 'trust')) !== change.next.version - 1) return undefined;
			if (await cutsOff(sql, change)) return 'waits';
			await bump(sql, 'trust');
			for (const authority of change.next.authorities) await sql.run(PUT_AUTHORITY, fromAuthority(authority));
			for (const { digest, bundle, publishedAt } of change.next.bundles) {
				await sql.run(PUT_BUNDLE, { digest, bundle, publishedAt: publishedAt.getTime() });
			}
			const revoked = await bringDown(sql, change, revokedAtOnce);
			const details = { ...change.details, ...(change.voided && { revoked }) };
			await recordEvent(sql, by, { at: change.at, action: change.action, outcome: 'done', details });
			return revoked;
		}, 'trust'),
		acknowledgeBundle: async (chain, digest, now) => {
			const known = await database.read((sql) => sql.get('SELECT digest FROM acknowledgements WHERE chain = :chain', { chain }));
			if (known && bytes(known['digest']).equals(digest)) return;
			await database.transaction((sql) => sql.run(ACKNOWLEDGE, { chain, digest, at: now.getTime() }));
		},
		listWithoutBundle: (digests, now, atMost) => database.read((sql) => listWithoutBundle(sql, digests, now, atMost)),
		listIssuedBy: (generations, now, atMost) => database.read((sql) => listIssuedBy(sql, generations, now, atMost)),
	};
}

async function listWithoutBundle(sql: Reader, digests: readonly Buffer[], now: Date, atMost?: number): Promise<Laggards> {
	if (digests.length === 0) throw new RangeError('nobody can have acknowledged nothing');
	const names = digests.map((_, index) => `:digest${index}`).join(', ');
	const has = (column: string) => `(${column} IS NOT NULL AND ${column} IN (${names}))`;
	// Most have, at the end; who is the newest of a chain is looked for last, because that takes longest.
	const condition = `c.role <> 'ca' AND NOT ${has('c.bundle_digest')} AND NOT ${has('a.digest')} AND ${isNewestLive('c')}`;
	return laggards(sql, condition, { now: now.getTime(), ...Object.fromEntries(digests.map((digest, index) => [`digest${index}`, digest])) }, atMost);
}

async function listIssuedBy(sql: Reader, generations: readonly number[], now: Date, atMost?: number): Promise<Laggards> {
	const condition = `c.issuer_generation IN (${generations.map(Number).join(', ')}) AND c.revoked_at IS NULL AND c.not_after > :now
		AND (c.role = 'workload' OR c.role <> 'ca' AND ${isNewestLive('c')})`;
	return laggards(sql, condition, { now: now.getTime() }, atMost);
}

async function cutsOff(sql: Reader, { unless, at }: TrustChange): Promise<boolean> {
	const { withoutBundle, underOld } = unless ?? {};
	return (withoutBundle !== undefined && (await listWithoutBundle(sql, withoutBundle, at, 1)).count > 0)
		|| (underOld !== undefined && (await listIssuedBy(sql, underOld, at, 1)).count > 0);
}

async function readTrust(sql: Reader): Promise<TrustRecord> {
	const authorities = await sql.all('SELECT * FROM authorities ORDER BY generation');
	const bundles = await sql.all('SELECT * FROM trust_bundles ORDER BY published_at');
	return { version: await readCounter(sql, 'trust'), authorities: authorities.map(toAuthority), bundles: bundles.map(toBundle) };
}

async function bringDown(sql: Sql, { voided, at }: TrustChange, revokedAtOnce: number): Promise<number> {
	if (!voided) return 0;
	for (const cancel of CANCEL_TOKENS) await sql.run(cancel, { now: at.getTime() });
	// Those that users sign are not kept; what was signed until now is refused as after a restore.
	await raise(sql, 'restored', at.getTime());
	const condition = `issuer_generation IN (${voided.map(Number).join(', ')}) AND sequence >= :from AND sequence < :to`;
	const { first, last } = (await sql.get('SELECT min(sequence) AS first, max(sequence) AS last FROM certificates')) as { first: number | null; last: number | null };
	let revoked = 0;
	for (let from = first ?? 0; from <= (last ?? -1); from += revokedAtOnce) {
		// Many enough as it is, and what has ended under an issuer that is void nobody believes.
		revoked += await revokeCertificates(sql, condition, { from, to: from + revokedAtOnce }, 'cACompromise', at, 0);
	}
	return revoked;
}

async function laggards(sql: Reader, condition: string, parameters: Parameters, atMost?: number): Promise<Laggards> {
	const from = `FROM certificates c LEFT JOIN acknowledgements a ON a.chain = c.chain WHERE ${condition}`;
	const counted = `SELECT count(*) AS count, max(not_after) AS last FROM (SELECT c.not_after ${from} LIMIT :atMost) AS laggards`;
	const total = await sql.get(counted, { ...parameters, atMost: atMost ?? Number.MAX_SAFE_INTEGER });
	const count = total!['count'] as number;
	if (count === 0) return { count, first: [] };
	// To tell the oldest, all have to be looked at.
	const order = atMost === undefined ? 'ORDER BY c.sequence' : '';
	const limit = Math.min(count, FIRST_LAGGARDS);
	const rows = await sql.all(`SELECT c.role, c.common_name, c.serial, c.not_after ${from} ${order} LIMIT :limit`, { ...parameters, limit });
	const first = rows.map((row) => ({
		role: row['role'] as Role,
		commonName: row['common_name'] as string,
		serial: row['serial'] as string,
		notAfter: instant(row['not_after']),
	}));
	return { count, first, lastNotAfter: instant(total!['last']) };
}

function toAuthority(row: Row): AuthorityRecord {
	return {
		generation: row['generation'] as number,
		state: row['state'] as AuthorityState,
		isManual: row['manual'] === 1,
		root: row['root'] as string,
		...optional('rootKey', row['root_key']),
		...optional('crossCertificate', row['cross_certificate']),
		intermediate: row['intermediate'] as string,
		...optional('intermediateKey', row['intermediate_key']),
		rootRevocationList: row['root_crl'] as string,
		createdAt: instant(row['created_at']),
		changedAt: instant(row['changed_at']),
	};
}

function fromAuthority(record: AuthorityRecord): Parameters {
	return {
		generation: record.generation,
		state: record.state,
		manual: record.isManual ? 1 : 0,
		root: record.root,
		root_key: record.rootKey ?? null,
		cross_certificate: record.crossCertificate ?? null,
		intermediate: record.intermediate,
		intermediate_key: record.intermediateKey ?? null,
		root_crl: record.rootRevocationList,
		created_at: record.createdAt.getTime(),
		changed_at: record.changedAt.getTime(),
	};
}

function toBundle(row: Row): BundleRecord {
	return { digest: bytes(row['digest']), bundle: row['bundle'] as string, publishedAt: instant(row['published_at']) };
}

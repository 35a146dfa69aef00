/** A database of every earlier version, on both backends: it is brought up to date, and what it held is there. */

import test from 'ava';
import pg from 'pg';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { createStore } from '../../../../ca/store/create-store.ts';
import type { Database } from '../../../../ca/store/database.ts';
import { openPostgresDatabase } from '../../../../ca/store/postgres-database.ts';
import { MIGRATIONS, postgresMigration } from '../../../../ca/store/schema.ts';
import { SYSTEM } from '../../../../ca/store/records.ts';
import { openSqliteDatabase } from '../../../../ca/store/sqlite-database.ts';
import { temporaryFolder } from '../../../support/ca.ts';
import { postgresFor } from '../../../support/stores.ts';

const postgres = postgresFor(test);
const END = Date.UTC(2040, 0, 1);
const NOW = new Date(END - 1000);
const [JOIN, TOKEN, KEY] = [7, 8, 9].map((byte) => Buffer.alloc(32, byte)) as [Buffer, Buffer, Buffer];
const [LIVE, REVOKED] = ['4'.repeat(32), '5'.repeat(32)];

/** A row in each table of the first version, as a CA of that version left them. */
const certificate = (serial: string, revoked: string): string => `
	INSERT INTO certificates (serial, der, public_key_hash, role, common_name, organizational_unit, organization, dns_names, spiffe_id, node, authorization_id, start_id,
		chain, renewals, issued_at, not_before, not_after, revoked_at, revocation_reason)
	VALUES ('${serial}', BYTES(${KEY.toString('hex')}), BYTES(${KEY.toString('hex')}), 'workload', 'web01', 'web', 'production', '["www.example.org"]', 'spiffe://a/production/web/web01',
		'host1', 'a1', 's1', '${serial}', 0, 1000, 1000, ${END}, ${revoked});`;
const ROWS = `
	INSERT INTO nodes (name, status, allow, joined_at) VALUES ('host1', 'active', '["web*/web"]', 1000);
	INSERT INTO join_tokens (hash, role, name, allow, created_at, expires_at) VALUES (BYTES(${JOIN.toString('hex')}), 'node', 'host1', '[]', 1000, ${END});
	INSERT INTO authorizations (id, node, container_id, image, common_name, organizational_unit, dns_names, lifetime_seconds, created_at)
		VALUES ('a1', 'host1', 'c1', 'web:1', 'web01', 'web', '["www.example.org"]', 3600, 1000);
	${certificate(LIVE!, 'NULL, NULL')}
	${certificate(REVOKED!, `2000, 'keyCompromise'`)}
	INSERT INTO tokens (hash, authorization_id, start_id, expires_at, redeemed_at, serial) VALUES (BYTES(${TOKEN.toString('hex')}), 'a1', 's1', ${END}, 1500, '${LIVE}');
	INSERT INTO closed_starts (authorization_id, start_id, closed_at) VALUES ('a1', 's0', 1200);
	UPDATE counters SET value = 41 WHERE name = 'crl-number';`;
const rows = (bytes: string): string => ROWS.replaceAll(/BYTES\((\w+)\)/g, bytes);

/** What a database of that version is made of; both backends begin with `schema_version`. */
const script = (version: number, migration: (version: number) => string, bytes: string): string => [
	'CREATE TABLE schema_version (version INTEGER NOT NULL);',
	`INSERT INTO schema_version VALUES (${version});`,
	...Array.from({ length: version }, (_, index) => migration(index + 1)),
	rows(bytes),
].join('\n');

const OPEN: ReadonlyArray<readonly [name: string, register: typeof postgres.test, open: (t: Parameters<typeof temporaryFolder>[0], version: number) => Promise<Database>]> = [
	['SQLite', test, async (t, version) => {
		const path = join(temporaryFolder(t), 'ca.db');
		const file = new DatabaseSync(path);
		file.exec(script(version, (number) => MIGRATIONS[number - 1]!, `X'$1'`));
		file.close();
		return openSqliteDatabase(path);
	}],
	['PostgreSQL', postgres.test, async (_, version) => {
		const url = await (await postgres.server()).newDatabase();
		const client = new pg.Client(url);
		await client.connect();
		await client.query(script(version, postgresMigration, `'\\x$1'`)).finally(() => client.end());
		return openPostgresDatabase({ url, poolSize: 2 });
	}],
];

for (const [name, register, open] of OPEN) {
	for (let version = 1; version < MIGRATIONS.length; version++) {
		register(`${name}: a database of version ${version} is brought up to date, and what it holds stays and counts`, async (t) => {
			const database = await open(t, version);
			t.teardown(() => database.close());
			const store = createStore(database);
			t.like(await store.findNode('host1'), { status: 'active', allow: ['web*/web'], joinedAt: new Date(1000) });
			t.like(await store.findJoinToken(JOIN), { name: 'host1', cancelled: false, expiresAt: new Date(END) });
			t.like(await store.findAuthorization('a1'), { containerId: 'c1', commonName: 'web01', dnsNames: ['www.example.org'], lifetimeSeconds: 3600 });
			const token = await store.findToken(TOKEN);
			t.is(token?.redeemed?.certificate.serial, LIVE);
			t.false(token!.cancelled);
			t.like(await store.findCertificate(LIVE!), { commonName: 'web01', issuerGeneration: 1, crlPartition: 0, publicKeyHash: KEY });
			t.like(await store.findCertificate(REVOKED!), { revokedAt: new Date(2000), revocationReason: 'keyCompromise' });
			t.is(await store.mintToken({ hash: Buffer.alloc(32), authorizationId: 'a1', node: 'host1', startId: 's0', expiresAt: new Date(END) }, NOW, SYSTEM), 'start-closed');

			// What was revoked is on the next list, which has a higher number than any that was out.
			const { number, entries } = await store.nextRevocationList({ generation: 1, partition: 0 }, NOW, NOW);
			t.is(number, 42);
			t.deepEqual(entries.map(({ serial }) => serial), [REVOKED]);
			t.is(await store.revoke({ by: 'commonName', value: 'web01' }, undefined, 'unspecified', NOW, SYSTEM), 1);
			await store.check();
		});
	}
}

/** The PostgreSQL backend: its schema, and a server that goes away and comes back. */

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { MIGRATIONS } from '../../../../ca/store/schema.ts';
import { openPostgresDatabase } from '../../../../ca/store/postgres-database.ts';
import { temporaryFolder } from '../../../support/ca.ts';
import { postgresFor } from '../../../support/stores.ts';
import { startPostgres } from '../../../support/postgres.ts';

const postgres = postgresFor(test);
const COUNT = `UPDATE counters SET value = value + 1 WHERE name = 'trust' RETURNING value`;

async function ask(url: string, text: string): Promise<Array<Record<string, unknown>>> {
	const client = new pg.Client(url);
	await client.connect();
	try {
		return (await client.query(text)).rows as Array<Record<string, unknown>>;
	} finally {
		await client.end();
	}
}

postgres.test('any number of instances that start at once on an empty database migrate it once', async (t) => {
	const url = await (await postgres.server()).newDatabase();
	const databases = await Promise.all(Array.from({ length: 8 }, () => openPostgresDatabase({ url, poolSize: 2 })));
	t.deepEqual(await ask(url, 'SELECT version FROM schema_version'), [{ version: String(MIGRATIONS.length) }]);
	t.deepEqual(await ask(url, `SELECT count(*)::int AS n FROM counters WHERE name = 'health'`), [{ n: 1 }]);
	for (const database of databases) await database.close();
});

postgres.test('a database that a newer program has written is not touched', async (t) => {
	const url = await (await postgres.server()).newDatabase();
	await ask(url, 'CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version VALUES (999)');
	await t.throwsAsync(openPostgresDatabase({ url, poolSize: 2 }), { message: /start the newer program/ });
	t.deepEqual(await ask(url, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`), [{ tablename: 'schema_version' }]);
});

postgres.test('a database that does not exist is a fault of the configuration, said without the password', async (t) => {
	const url = (await (await postgres.server()).newDatabase()).replace('birthmark@', 'birthmark:s3cret@').replace(/[^/]+$/, 'none');
	const error = await t.throwsAsync(openPostgresDatabase({ url, poolSize: 2 }));
	t.like(error, { code: 'config-invalid' });
	t.regex(error!.message, /"none" does not exist/);
	t.notRegex(error!.message, /s3cret/);
});

postgres.test('a server that nobody answers for is waited for, for a while', async (t) => {
	const url = 'postgresql://birthmark@127.0.0.1:1/none';
	t.like(await t.throwsAsync(openPostgresDatabase({ url, poolSize: 2, startTimeoutMs: 600 })), { code: 'ca-unavailable' });
});

postgres.test('a transaction that the server calls off is run again, and counts once', async (t) => {
	const database = await openPostgresDatabase({ url: await (await postgres.server()).newDatabase(), poolSize: 8 });
	t.teardown(() => database.close());
	const values = await Promise.all(Array.from({ length: 40 }, () => database.transaction(async (sql) => (await sql.get(COUNT))!['value'] as number)));
	t.deepEqual(values.toSorted((one, other) => one - other), Array.from({ length: 40 }, (_, index) => index + 1));
});

postgres.test('a statement that makes no sense fails with the server\'s own words and is not run again', async (t) => {
	const database = await openPostgresDatabase({ url: await (await postgres.server()).newDatabase(), poolSize: 2 });
	t.teardown(() => database.close());
	let runs = 0;
	await t.throwsAsync(database.transaction((sql) => {
		runs++;
		return sql.run('UPDATE nothing SET value = 1');
	}), { message: /"nothing" does not exist/ });
	t.is(runs, 1);
	t.is(await database.transaction(async (sql) => (await sql.get(COUNT))!['value']), 1);
});

postgres.test('a transaction that swallowed the failure of one of its statements is not taken for done', async (t) => {
	const database = await openPostgresDatabase({ url: await (await postgres.server()).newDatabase(), poolSize: 2 });
	t.teardown(() => database.close());
	await t.throwsAsync(database.transaction(async (sql) => {
		await sql.get(COUNT);
		await sql.run('UPDATE nothing SET value = 1').catch(() => undefined);
	}), { message: /was undone/ });
	t.deepEqual(await database.read((sql) => sql.get(`SELECT value FROM counters WHERE name = 'trust'`)), { value: 0 });
});

postgres.test('a server is asked for its certificate, which has to be for its name and from the CA that the URL names', async (t) => {
	const folder = temporaryFolder(t);
	const [certificate, key, other, otherKey] = ['a.crt', 'a.key', 'b.crt', 'b.key'].map((name) => join(folder, name)) as [string, string, string, string];
	for (const [cert, its] of [[certificate, key], [other, otherKey]] as const) {
		execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', its, '-out', cert, '-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'pipe' });
	}
	const server = await startPostgres({ certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') });
	t.teardown(() => server.remove());
	const plain = await server.newDatabase();
	const url = plain.replace('127.0.0.1', 'localhost');
	const database = await openPostgresDatabase({ url: `${url}?sslmode=verify-full&sslrootcert=${certificate}`, poolSize: 2 });
	t.teardown(() => database.close());
	t.deepEqual(await database.read((sql) => sql.get('SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()')), { ssl: true, version: 'TLSv1.3' });
	for (const wrong of [`${url}?sslmode=verify-full&sslrootcert=${other}`, `${plain}?sslmode=verify-full&sslrootcert=${certificate}`, `${url}?sslmode=verify-full`]) {
		t.like(await t.throwsAsync(openPostgresDatabase({ url: wrong, poolSize: 2, startTimeoutMs: 0 })), { code: 'ca-unavailable' }, wrong);
	}
});

for (const mode of ['fast', 'immediate'] as const) {
	postgres.test(`a server that stops (${mode}) under load: whatever was answered is there, nothing else is said to be, and work goes on by itself`, async (t) => {
		const server = await startPostgres();
		t.teardown(() => server.remove());
		const database = await openPostgresDatabase({ url: await server.newDatabase(), poolSize: 4 });
		t.teardown(() => database.close());
		const add = (name: string) => database.transaction((sql) => sql.run('INSERT INTO counters (name, value) VALUES (:name, 0)', { name }));
		const answered: string[] = [];
		let refusals = 0;
		let isOver = false;
		const load = Promise.all(Array.from({ length: 8 }, async (_, worker) => {
			for (let number = 0; !isOver; number++) {
				try {
					await add(`${worker}-${number}`);
					answered.push(`${worker}-${number}`);
				} catch (error) {
					if ((error as { code?: unknown }).code !== 'ca-unavailable') throw error;
					refusals++;
					// As a client would.
					await new Promise((resolve) => setTimeout(resolve, 20));
				}
			}
		}));
		const until = async (condition: () => boolean) => {
			while (!condition()) await Promise.race([load, new Promise((resolve) => setTimeout(resolve, 5))]);
		};
		await until(() => answered.length > 20);
		await server.stop(mode);
		await until(() => refusals > 8);
		await server.start();
		const before = answered.length;
		await until(() => answered.length > before + 20);
		isOver = true;
		await load;
		const present = new Set((await database.read((sql) => sql.all('SELECT name FROM counters'))).map((row) => row['name']));
		t.deepEqual(answered.filter((name) => !present.has(name)), []);
		t.is(new Set(answered).size, answered.length);
	});
}

/** The PostgreSQL backend: its schema, and a server that goes away and comes back. */

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import type { Sql } from '../../../../ca/store/database.ts';
import { MIGRATIONS } from '../../../../ca/store/schema.ts';
import { openPostgresDatabase } from '../../../../ca/store/postgres-database.ts';
import { answered } from '../../../support/ask-again.ts';
import { temporaryFolder } from '../../../support/ca.ts';
import { postgresFor } from '../../../support/stores.ts';
import { startPostgres } from '../../../support/postgres.ts';

const postgres = postgresFor(test);

/** A way to the server on which, when it is silent, bytes are taken and go nowhere. */
async function silentLine(t: { teardown(clean: () => unknown): void }, target: number): Promise<{ port: number; setSilent(value: boolean): void }> {
	let isSilent = false;
	const sockets = new Set<Socket>();
	const server = createServer((near) => {
		const far = createConnection(target, '127.0.0.1');
		for (const [from, to] of [[near, far], [far, near]] as const) {
			sockets.add(from.on('data', (chunk) => void (isSilent || to.write(chunk))).on('error', () => undefined).on('close', () => to.destroy()));
		}
	}).listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		server.close();
		for (const socket of sockets) socket.destroy();
	});
	return { port: (server.address() as AddressInfo).port, setSilent: (value) => void (isSilent = value) };
}

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
	const values = await Promise.all(Array.from({ length: 16 }, () => database.transaction(async (sql) => (await sql.get(COUNT))!['value'] as number)));
	t.deepEqual(values.toSorted((one, other) => one - other), Array.from({ length: 16 }, (_, index) => index + 1));
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

postgres.test('revocations at once come one after the other, over all instances, and none of them is called off', async (t) => {
	const url = await (await postgres.server()).newDatabase();
	const databases = await Promise.all([1, 2].map(() => openPostgresDatabase({ url, poolSize: 4 })));
	t.teardown(() => Promise.all(databases.map((database) => database.close())));
	let runs = 0;
	const counted = (sql: Sql) => {
		runs++;
		return sql.run(`UPDATE counters SET value = value + 1 WHERE name = 'revocations'`);
	};
	await Promise.all(Array.from({ length: 60 }, (_, index) => answered(() => databases[index % 2]!.transaction(counted, 'revocations'))));
	t.is(runs, 60);
	t.deepEqual(await databases[0]!.read((sql) => sql.get(`SELECT value FROM counters WHERE name = 'revocations'`)), { value: 60 });
});

postgres.test('a redemption writes to no index that others read, and asks no other table whether it may', async (t) => {
	const url = await (await postgres.server()).newDatabase();
	const database = await openPostgresDatabase({ url, poolSize: 4 });
	t.teardown(() => database.close());
	const indexes = await ask(url, `SELECT indexdef FROM pg_indexes WHERE tablename = 'tokens' AND indexdef ~ '(redeemed_at|cancelled_at|serial)'`);
	t.deepEqual(indexes, []);
	t.deepEqual(await ask(url, `SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text IN ('tokens', 'authorizations', 'certificates', 'closed_starts')`), []);
});

postgres.test('while all that write are busy, reading goes on', async (t) => {
	const database = await openPostgresDatabase({ url: await (await postgres.server()).newDatabase(), poolSize: 2 });
	t.teardown(() => database.close());
	let go = (): void => undefined;
	const gone = new Promise<void>((resolve) => (go = resolve));
	const writes = Array.from({ length: 6 }, () => database.transaction(() => gone));
	t.deepEqual(await database.read((sql) => sql.get('SELECT 1 AS one')), { one: 1 });
	t.is(database.waiting(), 5);
	go();
	await Promise.all(writes);
});

postgres.test('a server that falls silent is not waited for for ever, and used again when it answers', async (t) => {
	const url = new URL(await (await postgres.server()).newDatabase());
	const line = await silentLine(t, Number(url.port));
	url.port = String(line.port);
	const database = await openPostgresDatabase({ url: url.href, poolSize: 2, silenceTimeoutMs: 4_000 });
	t.teardown(() => database.close());
	const count = () => database.transaction(async (sql) => (await sql.get(COUNT))!['value']);
	t.is(await count(), 1);
	line.setSilent(true);
	for (const asked of await Promise.allSettled([count(), database.read((sql) => sql.get('SELECT 1 AS one'))])) {
		t.like(asked, { status: 'rejected', reason: { code: 'ca-unavailable' } });
	}
	line.setSilent(false);
	t.is(await count(), 2);
});

postgres.test('closing waits for what was begun, also for what waits for a connection, and refuses what comes later', async (t) => {
	const database = await openPostgresDatabase({ url: await (await postgres.server()).newDatabase(), poolSize: 2 });
	const begun = Array.from({ length: 8 }, () => database.transaction((sql) => sql.run(`UPDATE counters SET value = value + 1 WHERE name = 'trust'`)));
	const closed = [database.close(), database.close()];
	t.like(await t.throwsAsync(database.transaction(async () => 1)), { code: 'ca-unavailable' });
	t.deepEqual(await Promise.all(begun), Array.from({ length: 8 }, () => 1));
	await Promise.all(closed);
});

postgres.test('an instance that runs while a newer program changes the schema goes on', async (t) => {
	const url = await (await postgres.server()).newDatabase();
	const database = await openPostgresDatabase({ url, poolSize: 8 });
	t.teardown(() => database.close());
	const look = () => Promise.all(Array.from({ length: 8 }, () => database.read((sql) => sql.get('SELECT * FROM nodes'))));
	for (let round = 0; round < 3; round++) await look();
	await ask(url, 'ALTER TABLE nodes ADD COLUMN later TEXT');
	t.deepEqual(await look(), Array.from({ length: 8 }, () => undefined));
	await database.transaction((sql) => sql.get('SELECT * FROM nodes'));
});

postgres.test('a server that commits before it has written gets told to write', async (t) => {
	const url = await (await postgres.server()).newDatabase();
	await ask(url, `ALTER DATABASE ${url.split('/').at(-1)} SET synchronous_commit = off`);
	const database = await openPostgresDatabase({ url, poolSize: 2 });
	t.teardown(() => database.close());
	t.deepEqual(await database.read((sql) => sql.get(`SELECT current_setting('synchronous_commit') AS setting`)), { setting: 'on' });
});

postgres.test('a migration may take longer than any other statement', async (t) => {
	const url = await (await postgres.server()).newDatabase();
	await ask(url, `CREATE FUNCTION say() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
		IF current_setting('statement_timeout')::interval < '1 minute' THEN RAISE 'there is no time'; END IF; END $$;
		CREATE EVENT TRIGGER say ON ddl_command_start EXECUTE FUNCTION say()`);
	const database = await openPostgresDatabase({ url, poolSize: 2 });
	t.teardown(() => database.close());
	t.deepEqual(await database.read((sql) => sql.all('SELECT * FROM nodes')), []);
});

test('a certificate file that the URL names and that is not there is a fault of the configuration, and not waited for', async (t) => {
	const url = 'postgresql://birthmark:s3cret@127.0.0.1:1/none?sslmode=verify-full&sslrootcert=/no/such/file';
	const error = await t.throwsAsync(openPostgresDatabase({ url, poolSize: 2 }));
	t.like(error, { code: 'config-invalid' });
	t.regex(error!.message, /\/no\/such\/file/);
	t.notRegex(error!.message, /s3cret/);
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

/** The store itself: its schema, and what it forgets. */

import test from 'ava';
import { DatabaseSync } from 'node:sqlite';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MIGRATIONS } from '../../../../ca/store/schema.ts';
import { openSqliteStore } from '../../../../ca/store/sqlite.ts';
import { openSqliteDatabase } from '../../../../ca/store/sqlite-database.ts';
import { movableClock, newKey, startCa, temporaryFolder } from '../../../support/ca.ts';

test('a new file gets the newest schema, an up-to-date one is left alone', async (t) => {
	const path = join(temporaryFolder(t), 'ca.db');
	for (let round = 0; round < 2; round++) {
		const store = openSqliteStore(path);
		await store.check();
		await store.close();
	}
	const database = new DatabaseSync(path);
	t.is(database.prepare('SELECT version FROM schema_version').get()!['version'], MIGRATIONS.length);
	t.is(database.prepare('PRAGMA journal_mode').get()!['journal_mode'], 'wal');
	database.close();
});

test('a transaction that the database has undone by itself fails with its own reason, and the next one works', async (t) => {
	const database = openSqliteDatabase(join(temporaryFolder(t), 'ca.db'));
	t.teardown(() => database.close());
	const undone = database.transaction(async (sql) => {
		await sql.run('ROLLBACK');
		throw new Error('database or disk is full');
	});
	await t.throwsAsync(undone, { message: 'database or disk is full' });
	t.is(await database.transaction(async () => 'works'), 'works');
});

test('transactions of one group are undone one by one', async (t) => {
	const database = openSqliteDatabase(join(temporaryFolder(t), 'ca.db'));
	t.teardown(() => database.close());
	const add = (name: string, value = 0) => database.transaction(async (sql) => {
		await sql.run('INSERT INTO counters (name, value) VALUES (:name, 0)', { name });
		if (value < 0) throw new RangeError(name);
		return sql.run('UPDATE counters SET value = :value WHERE name = :name', { name, value });
	});
	const results = await Promise.allSettled([add('one', 1), add('two', -1), add('one', 3), add('four', 4)]);
	t.deepEqual(results.map(({ status }) => status), ['fulfilled', 'rejected', 'rejected', 'fulfilled']);
	t.true((results[1] as PromiseRejectedResult).reason instanceof RangeError);
	const rows = await database.read((sql) => sql.all(`SELECT name, value FROM counters WHERE name IN ('one', 'two', 'four') ORDER BY name`));
	t.deepEqual(rows.map((row) => ({ ...row })), [{ name: 'four', value: 4 }, { name: 'one', value: 1 }]);
});

test('large transactions of one group need no other file than that of the database: a container may have none', async (t) => {
	const database = openSqliteDatabase(join(temporaryFolder(t), 'ca.db'));
	t.teardown(() => database.close());
	const openFiles = (): string[] => readdirSync('/proc/self/fd').flatMap((fd) => {
		try {
			return [readlinkSync(`/proc/self/fd/${fd}`)];
		} catch {
			return []; // that of the directory itself
		}
	});
	const fill = database.transaction((sql) => sql.run(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO counters (name, value) SELECT printf('%0200d', i), 0 FROM n`));
	const change = database.transaction(async (sql) => {
		await sql.run('UPDATE counters SET value = value + 1');
		return openFiles().filter((path) => path.includes('etilqs_'));
	});
	await fill;
	t.deepEqual(await change, [], 'the names of SQLite\'s temporary files begin with etilqs_');
});

test('what a transaction has written is read by nobody before it is durable', async (t) => {
	const database = openSqliteDatabase(join(temporaryFolder(t), 'ca.db'));
	t.teardown(() => database.close());
	const seen = () => database.read((sql) => sql.get(`SELECT value FROM counters WHERE name = 'trust'`));
	await database.transaction(async (sql) => {
		await sql.run(`UPDATE counters SET value = 7 WHERE name = 'trust'`);
		t.is((await seen())!['value'], 0);
	});
	t.is((await seen())!['value'], 7);
});

test('closing waits for the transactions that were begun, and refuses those that come later', async (t) => {
	const database = openSqliteDatabase(join(temporaryFolder(t), 'ca.db'));
	const begun = database.transaction((sql) => sql.run(`UPDATE counters SET value = 1 WHERE name = 'trust'`));
	const closed = database.close();
	t.like(await t.throwsAsync(database.transaction(async () => 1)), { code: 'ca-unavailable' });
	t.is(await begun, 1);
	await closed;
});

test('while another process writes, transactions wait for it, and reading and everything else goes on', async (t) => {
	const path = join(temporaryFolder(t), 'ca.db');
	const database = openSqliteDatabase(path);
	t.teardown(() => database.close());
	const other = new DatabaseSync(path);
	t.teardown(() => other.close());
	other.exec(`BEGIN IMMEDIATE; UPDATE counters SET value = 5 WHERE name = 'trust'`);
	const writing = database.transaction((sql) => sql.get(`UPDATE counters SET value = value + 1 WHERE name = 'trust' RETURNING value`));
	await new Promise((resolve) => setTimeout(resolve, 50));
	t.is((await database.read((sql) => sql.get(`SELECT value FROM counters WHERE name = 'trust'`)))!['value'], 0);
	other.exec('COMMIT');
	t.is((await writing)!['value'], 6);
});

test('a statement that lacks one of its parameters fails', async (t) => {
	const database = openSqliteDatabase(join(temporaryFolder(t), 'ca.db'));
	t.teardown(() => database.close());
	await t.throwsAsync(database.read((sql) => sql.get('SELECT * FROM nodes WHERE name = :name', { node: 'host1' })), { instanceOf: TypeError, message: /"name"/ });
});

test('a file that a newer program has written is not touched', (t) => {
	const path = join(temporaryFolder(t), 'ca.db');
	const database = new DatabaseSync(path);
	database.exec('CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (999)');
	t.throws(() => openSqliteStore(path), { message: /start the newer program/ });
	t.is(database.prepare('SELECT version FROM schema_version').get()!['version'], 999);
	database.close();
});

test('revocation lists are numbered without a gap in order, over restarts', async (t) => {
	const path = join(temporaryFolder(t), 'ca.db');
	const numbers: number[] = [];
	for (let round = 0; round < 3; round++) {
		const store = openSqliteStore(path);
		for (let list = 0; list < 2; list++) numbers.push((await store.nextRevocationList({ generation: 1, partition: 0 }, new Date(), new Date())).number);
		await store.close();
	}
	t.deepEqual(numbers, [1, 2, 3, 4, 5, 6]);
});

test('a closed store refuses to say that it is well', async (t) => {
	const store = openSqliteStore(join(temporaryFolder(t), 'ca.db'));
	await store.close();
	await t.throwsAsync(store.check());
});

test('tokens are remembered for a day after their end, and forgotten then', async (t) => {
	const clock = movableClock(new Date(Date.now() - 2 * 86_400_000));
	const ca = await startCa(t, { clock, config: { profiles: { server: { lifetimeSeconds: 100 * 86_400 } } } });
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	clock.advance(86_400 + 100);
	await ca.lookAfter();
	t.is((await ca.sign(web.token, newKey())).json()['code'], 'token-used');
	clock.advance(60);
	await ca.lookAfter();
	t.is((await ca.sign(web.token, newKey())).json()['code'], 'token-unknown');
});

test('certificates are revoked in one place, which numbers revocations for the lists', (t) => {
	const folder = fileURLToPath(new URL('../../../../ca/store', import.meta.url));
	const files = readdirSync(folder).filter((name) => /UPDATE certificates\b[^`]*revoked_at\s*=/.test(readFileSync(join(folder, name), 'utf8')));
	t.deepEqual(files, ['revoke-certificates.ts']);
});

/** The contents of a database as lines, from either kind of database into either. */

import test from 'ava';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { createStore } from '../../../../ca/store/create-store.ts';
import { openDatabase, withSnapshot, type DatabaseConfig } from '../../../../ca/store/open-store.ts';
import { dumpRows, loadRows, TABLES } from '../../../../ca/store/portable.ts';
import { takeOver } from '../../../../ca/store/restored.ts';
import { SYSTEM } from '../../../../ca/store/records.ts';
import { temporaryFolder } from '../../../support/ca.ts';
import { attempt, joinNode, later, mint, newAuthorization, newCertificate, NOW } from '../../../support/records.ts';
import { postgresFor } from '../../../support/stores.ts';

const postgres = postgresFor(test);
type Place = readonly [DatabaseConfig, string];
const inFile = async (t: Parameters<typeof temporaryFolder>[0]): Promise<Place> => [{ url: null, poolSize: 2 }, join(temporaryFolder(t), 'ca.db')];
const onServer = async (): Promise<Place> => [{ url: await (await postgres.server()).newDatabase(), poolSize: 4 }, ''];

const nothing = async (): Promise<void> => undefined;

async function* linesOf(lines: readonly string[]): AsyncGenerator<string> {
	yield* lines;
}

async function dump([config, file]: Place): Promise<string[]> {
	return withSnapshot(config, file, (view) => Array.fromAsync(dumpRows(view)));
}

/** Something of everything that happens to containers. */
async function inhabit(place: Place): Promise<{ open: Buffer; used: Buffer; publicKeyHash: Buffer }> {
	const store = createStore(await openDatabase(...place));
	await joinNode(store);
	const publicKeyHash = randomBytes(32);
	const authorization = newAuthorization({ containerName: 'Zeilen\u2028trenner "ü"', dnsNames: ['a.b'] });
	const used = await mint(store, authorization);
	await store.redeemToken(used, newCertificate({ node: 'host1', authorizationId: authorization.id, startId: 'one', publicKeyHash }), attempt(publicKeyHash), SYSTEM);
	const open = await mint(store, newAuthorization());
	const ended = newAuthorization();
	await mint(store, ended);
	await store.revoke({ by: 'authorization', value: ended.id, startId: 'one' }, undefined, 'superseded', NOW, SYSTEM);
	await store.sealEvents(3);
	await store.close();
	return { open, used, publicKeyHash };
}

const WAYS = [['SQLite', inFile, 'SQLite', inFile], ['SQLite', inFile, 'PostgreSQL', onServer], ['PostgreSQL', onServer, 'SQLite', inFile], ['PostgreSQL', onServer, 'PostgreSQL', onServer]] as const;
for (const [from, makeSource, to, makeTarget] of WAYS) {
	const register = from === 'SQLite' && to === 'SQLite' ? test : postgres.test;
	register(`what ${from} held, ${to} holds, and goes on after the highest keys`, async (t) => {
		const source = await makeSource(t);
		await inhabit(source);
		const lines = await dump(source);
		t.true(lines.length > 20);
		const target = await makeTarget(t);
		const database = await openDatabase(...target);
		t.is(await database.fill((sql) => loadRows(sql, linesOf(lines)), nothing), lines.length);
		t.deepEqual((await dump(target)).toSorted(), lines.toSorted());
		const store = createStore(database);
		await store.addCertificate(newCertificate(), SYSTEM);
		t.is((await store.listIdentities({ now: NOW, all: true, limit: 10 })).length, 3);
		await store.close();
	});
}

test('after a restore no token is good that was not redeemed, one that was gets what it got, and numbers of lists are far ahead', async (t) => {
	const source = await inFile(t);
	const { open, used, publicKeyHash } = await inhabit(source);
	const lines = await dump(source);
	const database = await openDatabase(...await inFile(t));
	await database.fill((sql) => loadRows(sql, linesOf(lines)), (sql) => takeOver(sql, { now: later(5), madeAt: NOW, userTokensUntil: later(35) }));
	const store = createStore(database);
	t.teardown(() => store.close());
	t.is((await store.redeemToken(open, newCertificate(), attempt(), SYSTEM)).outcome, 'expired');
	t.is((await store.redeemToken(used, newCertificate(), attempt(), SYSTEM)).outcome, 'used');
	t.is((await store.redeemToken(used, newCertificate(), attempt(publicKeyHash), SYSTEM)).outcome, 'repeat');
	t.true((await store.nextRevocationList({ generation: 1, partition: 0 }, NOW, NOW)).number > 2 ** 32);
	t.is(await store.findRevocationList({ generation: 1, partition: 0 }, 0).then(({ list }) => list), undefined);

	await store.putUser({ name: 'alice', publicKey: 'key', algorithm: 'ES256', allow: ['*/*'], status: 'active', createdAt: NOW }, SYSTEM);
	const signed = async (at: Date) => (await store.redeemUserToken(
		{ user: 'alice', publicKey: 'key', jti: at.toISOString(), issuedAt: at, expiresAt: later(1000) }, newCertificate({ userName: 'alice' }), attempt(), SYSTEM)).outcome;
	t.is(await signed(later(35)), 'expired');
	t.is(await signed(later(36)), 'issued');
});

test('a database that holds a CA is not filled, and stays as it is', async (t) => {
	const [source, target] = [await inFile(t), await inFile(t)];
	await inhabit(source);
	await inhabit(target);
	const before = await dump(target);
	const database = await openDatabase(...target);
	t.like(await t.throwsAsync(dump(source).then((lines) => database.fill((sql) => loadRows(sql, linesOf(lines)), nothing))), { code: 'ca-exists' });
	await database.close();
	t.deepEqual(await dump(target), before);
});

test('lines that are no rows fill nothing', async (t) => {
	const place = await inFile(t);
	const database = await openDatabase(...place);
	t.teardown(() => database.close());
	const before = await dump(place);
	const good = '["nodes",{"name":"host1","status":"active","allow":"[]","joined_at":1}]';
	for (const bad of ['', '{}', '["nodes"]', '["sqlite_master",{}]', '["nodes",{"name) SELECT 1--":1}]', '["nodes",{"name":true}]', '["nodes",null]']) {
		t.like(await t.throwsAsync(database.fill((sql) => loadRows(sql, linesOf([good, bad])), nothing)), { code: 'backup-damaged' }, bad);
	}
	t.deepEqual(await dump(place), before);
});

test('every table of the schema is in a backup', async (t) => {
	const [config, file] = await inFile(t);
	await (await openDatabase(config, file)).close();
	const database = new DatabaseSync(file);
	const tables = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_version'`).all();
	database.close();
	t.deepEqual(tables.map(({ name }) => name as string).toSorted(), TABLES.toSorted());
});

test('a backup is a view of one moment, whatever is written meanwhile', async (t) => {
	const place = await inFile(t);
	const store = createStore(await openDatabase(...place));
	t.teardown(() => store.close());
	await joinNode(store);
	const serials = await withSnapshot(...place, async (view) => {
		const before = await Array.fromAsync(view.rows('SELECT serial FROM certificates'));
		await store.addCertificate(newCertificate(), SYSTEM);
		return [before.length, (await Array.fromAsync(view.rows('SELECT serial FROM certificates'))).length];
	});
	t.deepEqual(serials, [1, 1]);
});

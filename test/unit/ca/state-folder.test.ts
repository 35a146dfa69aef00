/** Making a CA, finding it again, and refusing what is not whole. */

import test from 'ava';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256, startCa, temporaryFolder } from '../../support/ca.ts';
import { initCa } from '../../../ca/init.ts';
import { makeCaFolder, requireDatabase } from '../../../ca/state-folder.ts';

const FILES = ['ca', 'config.json', 'key-encryption.key'];

test('init tells the digest of the trust bundle and leaves files that only their owner reads', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const { digest, bundle } = await initCa({ state, trustDomain: 'example.org', environment: 'staging', env: {} });
	t.is(digest, sha256(bundle));
	t.deepEqual(JSON.parse(readFileSync(join(state, 'config.json'), 'utf8')), { trustDomain: 'example.org', environment: 'staging' });
	t.deepEqual(readdirSync(state).sort(), FILES);
	for (const folder of ['.', 'ca']) t.is(statSync(join(state, folder)).mode & 0o777, 0o700);
	for (const file of ['ca/ca.db', 'config.json', 'key-encryption.key']) t.is(statSync(join(state, file)).mode & 0o777, 0o600, file);
	t.is((await startCa(t, { state })).bundle.toString(), bundle);
});

test('a CA that exists is never overwritten', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const { bundle } = await initCa({ state, env: {} });
	const key = readFileSync(join(state, 'key-encryption.key'));
	t.like(await t.throwsAsync(initCa({ state, env: {} })), { code: 'ca-exists' });
	t.deepEqual(readFileSync(join(state, 'key-encryption.key')), key);
	t.is((await startCa(t, { state })).bundle.toString(), bundle);
});

test('of several that make a CA in one folder at once, one does', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const results = await Promise.allSettled(Array.from({ length: 5 }, () => initCa({ state, env: {} })));
	const made = results.filter((result) => result.status === 'fulfilled');
	t.is(made.length, 1);
	for (const result of results) if (result.status === 'rejected') t.is((result.reason as { code?: unknown }).code, 'ca-exists');
	t.is(sha256((await startCa(t, { state })).bundle), made[0]!.value.digest);
});

test('making a CA never touches what another process is still making', async (t) => {
	const state = temporaryFolder(t);
	let goOn = () => {};
	const waiting = new Promise<void>((resolve) => void (goOn = resolve));
	let begun = () => {};
	const isBegun = new Promise<void>((resolve) => void (begun = resolve));
	const slow = makeCaFolder(state, async (database) => {
		await writeFile(database, 'slow');
		begun();
		await waiting;
		// What the other did meanwhile has not taken it away.
		await writeFile(database, 'slow and whole', { flag: 'r+' });
	});
	await isBegun;
	const fast = makeCaFolder(state, (database) => writeFile(database, 'fast'));
	goOn();
	const results = await Promise.allSettled([slow, fast]);
	t.is(results.filter(({ status }) => status === 'fulfilled').length, 1);
	for (const result of results) if (result.status === 'rejected') t.is((result.reason as { code?: unknown }).code, 'ca-exists');
	t.regex(readFileSync(join(state, 'ca/ca.db'), 'utf8'), /^(?:slow and whole|fast)$/);
	t.deepEqual(readdirSync(state), ['ca']);
});

test('what a crash left of a half-made CA is no CA, and is cleared away by the next attempt, which uses the key that lies there', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	await initCa({ state, env: {} });
	const key = readFileSync(join(state, 'key-encryption.key'));
	renameSync(join(state, 'ca'), join(state, '.ca-unfinished-0123456789ab'));
	t.like(t.throws(() => requireDatabase(state)), { code: 'ca-missing' });
	await initCa({ state, env: {} });
	t.deepEqual(readdirSync(state).sort(), FILES);
	t.deepEqual(readFileSync(join(state, 'key-encryption.key')), key);
	t.is((await (await startCa(t, { state })).request('GET', '/readyz')).status, 200);
});

test('a configuration that was put there beforehand is respected', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	mkdirSync(state);
	writeFileSync(join(state, 'config.json'), '{"trustDomain": "mine.example", "tokenTtlSeconds": 7}');
	t.is((await initCa({ state, env: {} })).trustDomain, 'mine.example');
	t.regex(readFileSync(join(state, 'config.json'), 'utf8'), /"tokenTtlSeconds": 7/);
});

test('the environment decides names at init, and they are written down', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	await initCa({ state, env: { BIRTHMARK_CA_TRUST_DOMAIN: 'env.example', BIRTHMARK_CA_LISTEN_PORT: '1' } });
	t.deepEqual(JSON.parse(readFileSync(join(state, 'config.json'), 'utf8')), { trustDomain: 'env.example', environment: 'production' });
});

test('names on the command line that contradict the configuration are refused, and nothing is made', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	mkdirSync(state);
	writeFileSync(join(state, 'config.json'), '{"trustDomain": "mine.example"}');
	t.like(await t.throwsAsync(initCa({ state, trustDomain: 'other.example', env: {} })), { code: 'config-invalid' });
	t.deepEqual(readdirSync(state), ['config.json']);
});

test('a CA keeps its trust domain for life', async (t) => {
	const ca = await startCa(t);
	await ca.close();
	writeFileSync(join(ca.state, 'config.json'), '{"trustDomain": "other.example"}');
	const error = await t.throwsAsync(startCa(t, { state: ca.state }));
	t.like(error, { code: 'config-invalid' });
	t.regex(error!.message, /made for the trust domain "birthmark\.internal"/);
});

for (const [what, damage] of Object.entries({ missing: rmSync, empty: (path: string) => truncateSync(path) })) {
	test(`a CA whose database is ${what} does not start, and is not made anew`, async (t) => {
		const state = join(temporaryFolder(t), 'state');
		await initCa({ state, env: {} });
		const database = join(state, 'ca/ca.db');
		damage(database);
		t.like(await t.throwsAsync(startCa(t, { state })), { code: 'ca-missing' });
		t.like(await t.throwsAsync(initCa({ state, env: {} })), { code: 'ca-exists' });
		t.is(existsSync(database), what === 'empty');
	});
}

test('the same folder is the same CA, wherever it is', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	await ca.close();
	const moved = join(temporaryFolder(t), 'elsewhere');
	cpSync(ca.state, moved, { recursive: true });
	const again = await startCa(t, { state: moved });
	t.deepEqual(again.bundle, ca.bundle);
	t.is((await again.request('GET', '/v1/whoami', { credentials: node })).status, 200);
});

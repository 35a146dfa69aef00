/** Making a CA, finding it again, and refusing what is not whole. */

import test from 'ava';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '#common/runtime/clock.ts';
import { sha256, startCa, temporaryFolder } from '../../support/ca.ts';
import { createAuthority } from '../../../ca/issuance/authority.ts';
import { initCa } from '../../../ca/init.ts';
import { readState, writeState } from '../../../ca/state-folder.ts';

test('init tells the digest of the trust bundle and leaves keys that only their owner reads', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const { digest, bundle } = await initCa({ state, trustDomain: 'example.org', environment: 'staging', env: {} });
	t.is(digest, sha256(bundle));
	t.is(readFileSync(join(state, 'ca/bundle.pem'), 'utf8'), bundle);
	t.deepEqual(JSON.parse(readFileSync(join(state, 'config.json'), 'utf8')), { trustDomain: 'example.org', environment: 'staging' });
	for (const folder of ['.', 'ca']) t.is(statSync(join(state, folder)).mode & 0o777, 0o700);
	for (const file of ['ca/root.key', 'ca/intermediate.key', 'ca/ca.db', 'config.json']) t.is(statSync(join(state, file)).mode & 0o777, 0o600, file);
	t.regex(readFileSync(join(state, 'ca/root.key'), 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/);
});

test('a CA that exists is never overwritten', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const { bundle } = await initCa({ state, env: {} });
	t.like(await t.throwsAsync(initCa({ state, env: {} })), { code: 'ca-exists' });
	t.is(readFileSync(join(state, 'ca/bundle.pem'), 'utf8'), bundle);
});

test('of several that make a CA in one folder at once, one does', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const results = await Promise.allSettled(Array.from({ length: 5 }, () => initCa({ state, env: {} })));
	const made = results.filter((result) => result.status === 'fulfilled');
	t.is(made.length, 1);
	t.is(sha256(readFileSync(join(state, 'ca/bundle.pem'))), made[0]!.value.digest);
});

test('making a CA never touches what another process is still making', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const [authority, other] = await Promise.all([1, 2].map(() => createAuthority('birthmark.internal', { clock: systemClock, random: randomBytes, backdateSeconds: 60 })));
	const files = ['bundle.pem', 'ca.db', 'intermediate.key', 'intermediate.pem', 'root.crl.pem', 'root.key'];
	for (const file of files) {
		const first = writeState(state, authority!, '{}');
		// The second begins when the first has come as far as this file.
		const isThere = () => existsSync(state) && readdirSync(state).some((name) => name.startsWith('.ca-unfinished-') && existsSync(join(state, name, file)));
		while (!isThere() && !existsSync(join(state, 'ca'))) await setImmediate();
		const results = await Promise.allSettled([first, writeState(state, other!, '{}')]);
		t.is(results.filter(({ status }) => status === 'fulfilled').length, 1);
		for (const result of results) if (result.status === 'rejected') t.is((result.reason as { code?: unknown }).code, 'ca-exists');
		t.deepEqual(readdirSync(join(state, 'ca')).sort(), files);
		t.deepEqual(readdirSync(state).sort(), ['ca', 'config.json']);
		rmSync(state, { recursive: true });
	}
});

test('what a crash left of a half-made CA is no CA, and is cleared away by the next attempt', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	await initCa({ state, env: {} });
	renameSync(join(state, 'ca'), join(state, '.ca-unfinished-0123456789ab'));
	rmSync(join(state, '.ca-unfinished-0123456789ab/bundle.pem'));
	t.like(await t.throwsAsync(readState(state)), { code: 'ca-missing' });
	await initCa({ state, env: {} });
	t.deepEqual(readdirSync(state).sort(), ['ca', 'config.json']);
	await t.notThrowsAsync(readState(state));
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

test('a key that others can read keeps the CA from starting', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	await initCa({ state, env: {} });
	for (const file of ['root.key', 'intermediate.key']) {
		chmodSync(join(state, 'ca', file), 0o640);
		const error = await t.throwsAsync(readState(state));
		t.like(error, { code: 'config-invalid' });
		t.regex(error!.message, new RegExp(`${file} can be read by others \\(mode 640\\)`));
		chmodSync(join(state, 'ca', file), 0o600);
	}
});

test('serving needs no root key, so that it can be kept elsewhere', async (t) => {
	const ca = await startCa(t);
	await ca.close();
	rmSync(join(ca.state, 'ca/root.key'));
	const again = await startCa(t, { state: ca.state });
	t.is((await again.request('GET', '/readyz')).status, 200);
});

for (const file of ['ca.db', 'bundle.pem', 'intermediate.key', 'intermediate.pem', 'root.crl.pem']) {
	test(`a CA without its ${file} does not start, and is not made anew`, async (t) => {
		const state = join(temporaryFolder(t), 'state');
		await initCa({ state, env: {} });
		rmSync(join(state, 'ca', file));
		t.like(await t.throwsAsync(readState(state)), { code: 'ca-missing' });
		t.like(await t.throwsAsync(initCa({ state, env: {} })), { code: 'ca-exists' });
		t.false(existsSync(join(state, 'ca', file)));
	});

	test(`a CA whose ${file} is empty does not start`, async (t) => {
		const state = join(temporaryFolder(t), 'state');
		await initCa({ state, env: {} });
		truncateSync(join(state, 'ca', file));
		t.like(await t.throwsAsync(readState(state)), { code: 'ca-missing' });
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

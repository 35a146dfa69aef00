/** Backup and restore: a CA that goes on elsewhere, and accepts nothing twice. */

import test, { type ExecutionContext } from 'ava';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { IdentityList, RevokeAnswer } from '#common/protocol/messages.ts';
import { readHeader, readRows, writeBackup } from '../../../ca/backup-file.ts';
import { backupCa, restoreCa } from '../../../ca/backup.ts';
import { loadConfig } from '../../../ca/serve.ts';
import { newKey, startCa, temporaryFolder, type TestCa } from '../../support/ca.ts';
import { postgresFor } from '../../support/stores.ts';

const postgres = postgresFor(test);
const HEADER = { birthmarkBackup: 1, schema: 1, madeAt: '2030-01-01T00:00:00.000Z', config: '{}' } as const;

async function backup(t: ExecutionContext, { state }: Pick<TestCa, 'state'>): Promise<string> {
	const out = join(temporaryFolder(t), 'ca.gz');
	await backupCa({ state, out, config: await loadConfig(state, {}) });
	return out;
}

/** A state folder in which only the key-encryption key lies, as whoever restores has put it there. */
function emptyState(t: ExecutionContext, ca: Pick<TestCa, 'state'>, config?: object): string {
	const state = join(temporaryFolder(t), 'state');
	mkdirSync(state, { mode: 0o700 });
	copyFileSync(join(ca.state, 'key-encryption.key'), join(state, 'key-encryption.key'));
	if (config) writeFileSync(join(state, 'config.json'), JSON.stringify(config));
	return state;
}

const codeOf = (answer: { status: number; json(): Record<string, unknown> }): unknown => (answer.status < 300 ? answer.status : answer.json()['code']);

test('a restored CA goes on: what was there at the time of the backup lives, what came later is refused, nothing is good twice', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const [web, doomed] = [await ca.enrol(node, 'web01', 'web'), await ca.enrol(node, 'web02', 'web')];
	const { id } = await ca.authorize(node, { commonName: 'web03' });
	const waiting = await ca.mint(node, id);
	const joinToken = await ca.joinToken({ role: 'node', name: 'host2' });
	await ca.admin('POST', '/v1/revoke', { commonName: 'web02' });
	const file = await backup(t, ca);

	const { crlNumber } = (await ca.admin('POST', '/v1/revoke', { commonName: 'web02' })).json<RevokeAnswer>();
	const late = await ca.enrol(node, 'late01', 'web');
	t.is((await ca.sign(waiting, newKey())).status, 200);
	await ca.close();

	const state = emptyState(t, ca);
	const result = await restoreCa({ state, from: file, env: {} });
	t.is(result.missingKey, undefined);
	const restored = await startCa(t, { state });
	t.deepEqual(restored.bundle, ca.bundle);
	t.is((await restored.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() })).status, 200);
	t.is(codeOf(await restored.request('GET', '/v1/whoami', { credentials: doomed })), 'certificate-revoked');
	t.is(codeOf(await restored.request('GET', '/v1/whoami', { credentials: late })), 'unauthenticated');
	t.is(codeOf(await restored.sign(waiting, newKey())), 'token-expired');
	t.is(codeOf(await restored.sign(late.token, newKey())), 'token-unknown');
	t.is(codeOf(await restored.sign(web.token, newKey())), 'token-used');
	t.is(codeOf(await restored.request('POST', '/v1/join', { headers: { authorization: `Bearer ${joinToken}` }, body: { csr: newKey().csr() } })), 'token-expired');
	t.true((await restored.admin('POST', '/v1/revoke', { commonName: 'web01' })).json<RevokeAnswer>().crlNumber > crlNumber + 2 ** 31);
	t.is((await restored.enrol(node, 'new01', 'web')).authorizationId.length, 36);
});

test('a backup holds no token, no key that is not encrypted, and not the key-encryption key; only its owner can read it', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	const file = await backup(t, ca);
	t.is(statSync(file).mode & 0o777, 0o600);
	const text = gunzipSync(readFileSync(file)).toString();
	t.true(text.includes('BEGIN ENCRYPTED PRIVATE KEY'));
	t.false(text.includes('BEGIN PRIVATE KEY'));
	t.false(text.includes(web.token.split('-').at(-1)!));
	t.false(text.includes(readFileSync(join(ca.state, 'key-encryption.key'), 'utf8').trim()));
});

test('nothing is overwritten: neither a CA by a restore, nor a file by a backup', async (t) => {
	const ca = await startCa(t);
	const file = await backup(t, ca);
	t.like(await t.throwsAsync(restoreCa({ state: ca.state, from: file, env: {} })), { code: 'ca-exists' });
	t.like(await t.throwsAsync(backupCa({ state: ca.state, out: file, config: await loadConfig(ca.state, {}) })), { code: 'usage' });
	t.is((await ca.request('GET', '/readyz')).status, 200);
});

test('a file that somebody makes while the backup is written stays, and nothing of the backup does', async (t) => {
	const folder = temporaryFolder(t);
	const [out, link] = [join(folder, 'ca.gz'), join(folder, 'link.gz')];
	const written = (path: string, meanwhile: () => void) => writeBackup(path, HEADER, (async function* () {
		yield '["nodes",{}]';
		meanwhile();
	})());
	t.like(await t.throwsAsync(written(out, () => writeFileSync(out, 'of somebody else'))), { code: 'usage', message: `${out} exists: give the backup another name` });
	t.is(readFileSync(out, 'utf8'), 'of somebody else');
	t.like(await t.throwsAsync(written(link, () => symlinkSync('nowhere', link))), { code: 'usage' });
	t.deepEqual(readdirSync(folder).sort(), ['ca.gz', 'link.gz']);
});

test('lines are read as they were written, however they fall into chunks', async (t) => {
	const file = join(temporaryFolder(t), 'ca.gz');
	const rows = [0, 1, 50_000, 16_384, 2, 100_000, 0].map((length, index) => JSON.stringify(['nodes', { name: `${index}\u2028é${'x'.repeat(length)}` }]));
	await writeBackup(file, HEADER, (async function* () {
		yield* rows;
	})());
	t.deepEqual(await readHeader(file), HEADER);
	t.deepEqual(await Array.fromAsync(readRows(file)), rows);
	t.deepEqual(await Array.fromAsync(readRows(file, 101_000)), rows);
});

test('a line that is longer than any row is damage, and is not read to its end', async (t) => {
	const file = join(temporaryFolder(t), 'ca.gz');
	for (const end of ['', '\n']) {
		writeFileSync(file, gzipSync(`${JSON.stringify(HEADER)}\n${'x'.repeat(100_000)}${end}`));
		t.like(await t.throwsAsync(Array.fromAsync(readRows(file, 50_000))), { code: 'backup-damaged' });
		t.like(await t.throwsAsync(readHeader(file, 10)), { code: 'backup-damaged' });
	}
});

test('a file that cannot be read or written is told in a sentence, and nothing is left of either', async (t) => {
	const ca = await startCa(t);
	const folder = temporaryFolder(t);
	const state = emptyState(t, ca);
	for (const from of [join(folder, 'missing'), folder, join(ca.state, 'config.json', 'x')]) {
		t.like(await t.throwsAsync(restoreCa({ state, from, env: {} })), { code: 'usage' }, from);
		t.deepEqual(readdirSync(state), ['key-encryption.key']);
	}
	const config = await loadConfig(ca.state, {});
	t.like(await t.throwsAsync(backupCa({ state: ca.state, out: join(folder, 'missing', 'ca.gz'), config })), { code: 'usage' });
	t.like(await t.throwsAsync(backupCa({ state: ca.state, out: join(folder, 'x'.repeat(300)), config })), { code: 'usage' });
	t.deepEqual(readdirSync(folder), []);
});

test('of a file that is cut off, changed or something else nothing is restored', async (t) => {
	const ca = await startCa(t);
	await ca.join('host1');
	const good = readFileSync(await backup(t, ca));
	const changed = Buffer.from(good);
	changed[good.length - 12]! ^= 1;
	const damaged = { empty: Buffer.alloc(0), short: good.subarray(0, good.length - 300), changed, text: Buffer.from('{}') };
	for (const [name, bytes] of Object.entries(damaged)) {
		const file = join(temporaryFolder(t), name);
		writeFileSync(file, bytes);
		const state = emptyState(t, ca);
		t.like(await t.throwsAsync(restoreCa({ state, from: file, env: {} }), undefined, name), { code: 'backup-damaged' });
		t.false(existsSync(join(state, 'ca')), name);
		t.deepEqual(readdirSync(state).filter((entry) => entry.startsWith('.')), [], name);
	}
});

test('rows that are left out or put in between are noticed, although the file is whole', async (t) => {
	const ca = await startCa(t);
	await ca.join('host1');
	const lines = gunzipSync(readFileSync(await backup(t, ca))).toString().trimEnd().split('\n');
	const node = lines.findIndex((line) => line.startsWith('["nodes"'));
	for (const changed of [lines.toSpliced(node, 1), lines.toSpliced(node, 0, lines[node]!.replace('host1', 'host2')), lines.slice(0, -1)]) {
		const file = join(temporaryFolder(t), 'changed.gz');
		writeFileSync(file, gzipSync(`${changed.join('\n')}\n`));
		t.like(await t.throwsAsync(restoreCa({ state: emptyState(t, ca), from: file, env: {} })), { code: 'backup-damaged' });
	}
});

test('whoever restores is told where the key-encryption key is missing', async (t) => {
	const ca = await startCa(t);
	const state = join(temporaryFolder(t), 'state');
	const { missingKey } = await restoreCa({ state, from: await backup(t, ca), env: {} });
	t.is(missingKey, join(state, 'key-encryption.key'));
	t.like(await t.throwsAsync(startCa(t, { state })), { code: 'config-invalid' });
});

postgres.test('a CA moves from SQLite to PostgreSQL and back, by backup and restore', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	const file = await backup(t, ca);
	await ca.close();
	const listen = { host: '127.0.0.1', port: 0 };
	const url = await (await postgres.server()).newDatabase();
	const state = emptyState(t, ca, { listen, database: { url } });
	await restoreCa({ state, from: file, env: {} });
	t.false(existsSync(join(state, 'ca')));
	const onServer = await startCa(t, { state });
	t.is((await onServer.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() })).status, 200);
	t.like(await t.throwsAsync(restoreCa({ state: emptyState(t, ca, { listen, database: { url } }), from: file, env: {} })), { code: 'ca-exists' });

	const back = await backup(t, onServer);
	await onServer.close();
	const home = emptyState(t, ca, { listen });
	await restoreCa({ state: home, from: back, env: {} });
	const again = await startCa(t, { state: home });
	const { identities } = (await again.admin('GET', '/v1/identities/web01')).json<IdentityList>();
	t.deepEqual(identities.map(({ renewals }) => renewals), [1, 0]);
	t.is((await again.request('GET', '/v1/whoami', { credentials: web })).status, 200);
});

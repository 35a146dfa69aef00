/** Keys at rest: under which key, and what is refused. */

import test from 'ava';
import { DatabaseSync } from 'node:sqlite';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '#common/runtime/log.ts';
import { initCa } from '../../../ca/init.ts';
import { loadConfig, serveCa, type RunningCa } from '../../../ca/serve.ts';
import { requireOwnFolders } from '../../../ca/state-folder.ts';
import { temporaryFolder } from '../../support/ca.ts';

const VARIABLE = 'BIRTHMARK_CA_KEY_ENCRYPTION_KEY';

interface Test {
	teardown(clean: () => unknown): void;
}

function newState(t: Test, config: object = {}): string {
	const state = join(temporaryFolder(t), 'state');
	mkdirSync(state);
	writeFileSync(join(state, 'config.json'), JSON.stringify({ listen: { host: '127.0.0.1', port: 0 }, ...config }), { mode: 0o600 });
	return state;
}

async function serve(t: Test, state: string, env: Record<string, string> = {}): Promise<RunningCa> {
	const ca = await serveCa({ state, config: await loadConfig(state, env), env, logger: silentLogger });
	t.teardown(() => ca.close());
	return ca;
}

test('no private key is in the state folder but encrypted', async (t) => {
	const state = newState(t);
	await initCa({ state, env: {} });
	const database = new DatabaseSync(join(state, 'ca/ca.db'), { readOnly: true });
	const row = database.prepare('SELECT root_key, intermediate_key FROM authorities').get()!;
	database.close();
	for (const pem of Object.values(row)) t.regex(String(pem), /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
	t.notRegex(readFileSync(join(state, 'ca/ca.db'), 'latin1'), /BEGIN (?:EC )?PRIVATE KEY/);
	t.regex(readFileSync(join(state, 'key-encryption.key'), 'utf8'), /^[A-Za-z0-9+/]{43}=\n$/);
});

test('a file that others than its owner can read keeps the CA from starting', async (t) => {
	const state = newState(t);
	await initCa({ state, env: {} });
	for (const mode of [0o640, 0o604, 0o620]) {
		chmodSync(join(state, 'key-encryption.key'), mode);
		const error = await t.throwsAsync(serve(t, state));
		t.like(error, { code: 'config-invalid' });
		t.regex(error!.message, new RegExp(`key-encryption\\.key can be read by others \\(mode ${mode.toString(8)}\\)`));
	}
	chmodSync(join(state, 'key-encryption.key'), 0o400);
	await t.notThrowsAsync(serve(t, state));
});

(process.getuid!() === 0 ? test : test.skip)('a file that belongs to another user keeps the CA from starting', async (t) => {
	const state = newState(t);
	await initCa({ state, env: {} });
	chownSync(join(state, 'key-encryption.key'), 4711, 4711);
	const error = await t.throwsAsync(serve(t, state));
	t.like(error, { code: 'config-invalid' });
	t.regex(error!.message, /belongs to user 4711/);
});

test('another key than that of init is told plainly, and nothing is changed', async (t) => {
	const state = newState(t);
	await initCa({ state, env: {} });
	const wrong = await t.throwsAsync(serve(t, state, { [VARIABLE]: 'c29tZXRoaW5nIGVsc2U=' }));
	t.like(wrong, { code: 'config-invalid' });
	t.regex(wrong!.message, /cannot be decrypted/);
	await t.notThrowsAsync(serve(t, state));
});

test('a lost key is not made anew', async (t) => {
	const state = newState(t);
	await initCa({ state, env: {} });
	rmSync(join(state, 'key-encryption.key'));
	const error = await t.throwsAsync(serve(t, state));
	t.like(error, { code: 'config-invalid' });
	t.regex(error!.message, /key-encryption\.key does not exist/);
});

test('a passphrase from the environment takes the place of the file', async (t) => {
	const state = newState(t);
	const env = { [VARIABLE]: 'correct horse battery staple' };
	await initCa({ state, env });
	t.throws(() => readFileSync(join(state, 'key-encryption.key')), { code: 'ENOENT' });
	t.like(await t.throwsAsync(serve(t, state)), { code: 'config-invalid' });
	await t.notThrowsAsync(serve(t, state, env));
});

test('a file elsewhere is named by the configuration or the environment', async (t) => {
	const file = join(temporaryFolder(t), 'kek');
	writeFileSync(file, 'correct horse battery staple\n', { mode: 0o600 });
	const state = newState(t, { keyEncryption: { file } });
	await initCa({ state, env: {} });
	renameSync(file, `${file}2`);
	t.like(await t.throwsAsync(serve(t, state)), { code: 'config-invalid' });
	await t.notThrowsAsync(serve(t, state, { BIRTHMARK_CA_KEY_ENCRYPTION_FILE: `${file}2` }));
});

test('a key that could be guessed is refused, and nothing is made', async (t) => {
	const state = newState(t);
	for (const key of ['x', 'fifteen letters']) {
		const error = await t.throwsAsync(initCa({ state, env: { [VARIABLE]: key } }));
		t.like(error, { code: 'config-invalid' });
		t.false(error!.message.includes(key));
	}
	await t.notThrowsAsync(initCa({ state, env: { [VARIABLE]: 'sixteen letters!' } }));
});

for (const folder of ['.', 'ca']) {
	test(`a folder that others can write to keeps the CA from starting: ${folder}`, async (t) => {
		const state = newState(t);
		await initCa({ state, env: {} });
		for (const mode of [0o770, 0o702]) {
			chmodSync(join(state, folder), mode);
			const error = await t.throwsAsync(serve(t, state));
			t.like(error, { code: 'config-invalid' });
			t.regex(error!.message, new RegExp(`others can write to .* \\(mode ${mode.toString(8)}\\)`));
		}
		chmodSync(join(state, folder), 0o755);
		await t.notThrowsAsync(serve(t, state));
	});

	(process.getuid!() === 0 ? test : test.skip)(`a folder that belongs to another user keeps the CA from starting: ${folder}`, async (t) => {
		const state = newState(t);
		await initCa({ state, env: {} });
		chownSync(join(state, folder), 4711, 4711);
		const error = await t.throwsAsync(serve(t, state));
		t.like(error, { code: 'config-invalid' });
		t.regex(error!.message, /belongs to user 4711/);
		t.false(existsSync(join(state, 'serve.lock')), 'nothing of ours is left there that its owner could not use');
	});
}

for (const [file, folder] of [['config.json', '.'], ['ca/ca.db', 'ca']] as const) {
	test(`a file that others can write to, in a folder that they can enter, keeps the CA from starting: ${file}`, async (t) => {
		const state = newState(t);
		await initCa({ state, env: {} });
		for (const [folderMode, mode] of [[0o755, 0o602], [0o711, 0o622], [0o710, 0o620]] as const) {
			chmodSync(join(state, folder), folderMode);
			chmodSync(join(state, file), mode);
			const error = await t.throwsAsync(serve(t, state));
			t.like(error, { code: 'config-invalid' });
			t.true(error!.message.startsWith(`others can write to ${join(state, file)} `), error!.message);
		}
		// Nobody but its owner gets as far as the file; or whoever does may only read it.
		for (const [folderMode, mode] of [[0o700, 0o666], [0o711, 0o644]] as const) {
			chmodSync(join(state, folder), folderMode);
			chmodSync(join(state, file), mode);
			await t.notThrowsAsync(requireOwnFolders(state));
		}
	});
}

test('a folder in place of the file is told plainly', async (t) => {
	const file = temporaryFolder(t);
	chmodSync(file, 0o700);
	const state = newState(t, { keyEncryption: { file } });
	t.like(await t.throwsAsync(initCa({ state, env: {} })), { code: 'config-invalid' });
});

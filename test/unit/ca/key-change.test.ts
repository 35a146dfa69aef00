/** Another key-encryption key: crashes between any two steps, instances that have the old one, keys from elsewhere. */

import test from 'ava';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '#common/runtime/log.ts';
import { changeKeyEncryption } from '../../../ca/key-change.ts';
import { createKeyVault } from '../../../ca/issuance/key-vault.ts';
import { loadConfig } from '../../../ca/serve.ts';
import { openSqliteStore } from '../../../ca/store/sqlite.ts';
import { newCommand } from '../../support/command.ts';
import { postgresFor } from '../../support/stores.ts';
import { startBeside, startCa, temporaryFolder, type StartOptions } from '../../support/ca.ts';

interface Test {
	teardown(clean: () => unknown): void;
}

const postgres = postgresFor(test);
const VARIABLE = 'BIRTHMARK_CA_KEY_ENCRYPTION_KEY';

/** A CA that was made and does not serve. */
async function stopped(t: Test, options: StartOptions = {}) {
	const ca = await startCa(t, options);
	await ca.close();
	const file = join(ca.state, 'key-encryption.key');
	return { ...ca, file, next: `${file}.next`, key: readFileSync(file, 'utf8') };
}

const change = async (state: string, to?: string, env: Record<string, string> = {}) => changeKeyEncryption({ state, config: await loadConfig(state, env), env, to });

async function sealedKeys(state: string): Promise<string[]> {
	const store = openSqliteStore(join(state, 'ca/ca.db'));
	const { authorities } = await store.readTrust();
	await store.close();
	return authorities.flatMap(({ rootKey, intermediateKey }) => [rootKey, intermediateKey]).filter((pem) => pem !== undefined);
}

async function goesOn(t: Test & { is(actual: unknown, expected: unknown): unknown }, state: string, env: Record<string, string> = {}): Promise<void> {
	const ca = await startCa(t, { state, env });
	t.is((await ca.admin('POST', '/v1/rotation', { changes: 'root', isManual: true })).status, 200);
	t.is((await ca.admin('POST', '/v1/rotation/abort', {})).status, 200);
	await ca.close();
}

test('every key is under the new key-encryption key, which is in place, and the old one opens nothing', async (t) => {
	const { state, file, next, key } = await stopped(t);
	t.deepEqual(await change(state), { keys: 2, isInPlace: true });
	t.false(existsSync(next));
	t.not(readFileSync(file, 'utf8'), key);
	for (const pem of await sealedKeys(state)) {
		await t.throwsAsync(createKeyVault(key.trim()).decrypt(pem));
		await t.notThrowsAsync(createKeyVault(readFileSync(file, 'utf8').trim()).decrypt(pem));
	}
	await goesOn(t, state);
});

test('where the change broke off after the transaction, the next start finishes it', async (t) => {
	const { state, file, next, key } = await stopped(t);
	await change(state);
	const changed = readFileSync(file, 'utf8');
	writeFileSync(next, changed, { mode: 0o600 });
	writeFileSync(file, key, { mode: 0o600 });
	await goesOn(t, state);
	t.is(readFileSync(file, 'utf8'), changed);
	t.false(existsSync(next));
});

test('where it broke off before the transaction, the old key stays, and the change can be begun again', async (t) => {
	const { state, file, next, key } = await stopped(t);
	writeFileSync(next, 'of an attempt that broke off\n', { mode: 0o600 });
	await goesOn(t, state);
	t.is(readFileSync(file, 'utf8'), key);
	t.deepEqual(await change(state), { keys: 2, isInPlace: true });
	await goesOn(t, state);
});

test('the command tells what to do next', async (t) => {
	const { state } = await stopped(t);
	const birthmark = newCommand(t);
	const made = await birthmark(['ca', 'key-encryption-change', '--state', state]);
	t.is(made.code, 0, made.stderr);
	t.regex(made.stdout, /^2 private keys are under the new key-encryption key. It is in place/);
	const to = join(temporaryFolder(t), 'new');
	writeFileSync(to, 'correct horse battery staple\n', { mode: 0o640 });
	const refused = await birthmark(['ca', 'key-encryption-change', '--state', state, '--to', to, '--json']);
	t.is(refused.code, 78);
	t.like((JSON.parse(refused.stdout) as { error: object }).error, { code: 'config-invalid' });
	t.regex(refused.stdout, /can be read by others/);
	await goesOn(t, state);
});

test('while the CA serves, nothing is changed', async (t) => {
	const ca = await startCa(t);
	const before = await sealedKeys(ca.state);
	t.like(await t.throwsAsync(change(ca.state)), { code: 'ca-exists' });
	t.deepEqual(await sealedKeys(ca.state), before);
});

test('a key from a variable is replaced by that of a file, which has to be brought', async (t) => {
	const { state, file, key } = await stopped(t);
	const env = { [VARIABLE]: key.trim() };
	t.like(await t.throwsAsync(change(state, undefined, env)), { code: 'config-invalid' });
	const to = join(temporaryFolder(t), 'new');
	writeFileSync(to, 'short', { mode: 0o600 });
	t.like(await t.throwsAsync(change(state, to, env)), { code: 'config-invalid' });
	writeFileSync(to, 'correct horse battery staple\n');
	t.deepEqual(await change(state, to, env), { keys: 2, isInPlace: false });
	t.is(readFileSync(file, 'utf8'), key);
	t.like(await t.throwsAsync(startCa(t, { state, env })), { code: 'config-invalid' });
	await goesOn(t, state, { [VARIABLE]: 'correct horse battery staple' });
});

postgres.test('an instance that has the old key goes on, makes no keys that nobody could open, and starts again with the new one', async (t) => {
	const one = await startCa(t, { config: { database: { url: await (await postgres.server()).newDatabase() } } });
	const logged: string[] = [];
	const other = await startBeside(t, one, { logger: createLogger('ca', 'info', (line) => void logged.push(line)) });
	await one.close();
	await change(one.state);
	await other.lookAfter();
	await other.join('host1');
	const refused = await other.admin('POST', '/v1/rotation', { changes: 'root', isManual: true });
	t.is(refused.status, 503);
	t.regex(logged.join(''), /the key-encryption key has been changed since this instance of the CA was started/);
	await goesOn(t, one.state);
	await other.close();
	t.like(await t.throwsAsync(startCa(t, { state: other.state })), { code: 'config-invalid' });
});

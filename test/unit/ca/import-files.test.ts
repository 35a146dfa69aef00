/** State folders of version 0.1, whose keys were plain files. */

import test from 'ava';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '#common/runtime/clock.ts';
import { exportSigningKey } from '#common/x509/keys.ts';
import { createAuthority } from '../../../ca/issuance/authority.ts';
import { createKeyVault } from '../../../ca/issuance/key-vault.ts';
import { importFiles } from '../../../ca/import-files.ts';
import { MIGRATIONS } from '../../../ca/store/schema.ts';
import { openSqliteStore } from '../../../ca/store/sqlite.ts';
import { startCa, temporaryFolder } from '../../support/ca.ts';
import { testAuthorityProfile } from '../../support/domain.ts';

/** As `ca init` of version 0.1 left it. */
function oldState(t: { teardown(clean: () => unknown): void }): { state: string; ca: string; files: Readonly<Record<'root.key' | 'intermediate.key' | 'bundle.pem' | 'intermediate.pem' | 'root.crl.pem', string>> } {
	const state = join(temporaryFolder(t), 'state');
	const ca = join(state, 'ca');
	mkdirSync(ca, { recursive: true, mode: 0o700 });
	writeFileSync(join(state, 'config.json'), JSON.stringify({ listen: { host: '127.0.0.1', port: 0 } }));
	const authority = createAuthority(1, { clock: systemClock, random: randomBytes, backdateSeconds: 60, trustDomain: 'birthmark.internal', profile: testAuthorityProfile() });
	const files = {
		'root.key': exportSigningKey(authority.root.key),
		'intermediate.key': exportSigningKey(authority.intermediateKey),
		'bundle.pem': authority.root.certificate,
		'intermediate.pem': authority.intermediate,
		'root.crl.pem': authority.rootRevocationList,
	};
	for (const [name, text] of Object.entries(files)) writeFileSync(join(ca, name), text, { mode: name.endsWith('.key') ? 0o600 : 0o644 });
	const database = new DatabaseSync(join(ca, 'ca.db'));
	for (const migration of MIGRATIONS.slice(0, 2)) database.exec(migration);
	database.exec('CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT; INSERT INTO schema_version VALUES (2)');
	database.close();
	return { state, ca, files };
}

const databaseOnly = (folder: string) => readdirSync(folder).filter((name) => !name.startsWith('ca.db'));

test('an old folder goes on as the same CA, and its plain keys are gone', async (t) => {
	const { state, ca: folder, files } = oldState(t);
	const ca = await startCa(t, { state });
	t.is(ca.bundle.toString(), files['bundle.pem']);
	t.deepEqual(databaseOnly(folder), []);
	t.true(existsSync(join(state, 'key-encryption.key')));
	const node = await ca.join('host1');
	await ca.close();
	const again = await startCa(t, { state });
	t.is((await again.request('GET', '/v1/whoami', { credentials: node })).status, 200);
});

test('a crash before the files were removed is made up for by the next start', async (t) => {
	const { state, ca: folder, files } = oldState(t);
	await (await startCa(t, { state })).close();
	for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
	const ca = await startCa(t, { state });
	t.deepEqual(databaseOnly(folder), []);
	t.is(ca.bundle.toString(), files['bundle.pem']);
});

test('a root key that was taken off line stays away', async (t) => {
	const { state, ca: folder } = oldState(t);
	rmSync(join(folder, 'root.key'));
	await (await startCa(t, { state })).close();
	const store = openSqliteStore(join(folder, 'ca.db'));
	const [first] = (await store.readTrust()).authorities;
	await store.close();
	t.is(first!.rootKey, undefined);
});

for (const name of ['intermediate.key', 'intermediate.pem', 'root.crl.pem']) {
	for (const [what, damage] of Object.entries({ missing: rmSync, empty: (path: string) => truncateSync(path) })) {
		test(`an old folder whose ${name} is ${what} does not start, and stays as it is`, async (t) => {
			const { state, ca: folder } = oldState(t);
			damage(join(folder, name));
			const before = databaseOnly(folder);
			t.like(await t.throwsAsync(startCa(t, { state })), { code: 'ca-missing' });
			t.deepEqual(databaseOnly(folder), before);
		});
	}
}

for (const name of ['root.key', 'intermediate.key']) {
	test(`an old ${name} that others can read keeps the CA from starting`, async (t) => {
		const { state, ca: folder } = oldState(t);
		chmodSync(join(folder, name), 0o640);
		const error = await t.throwsAsync(startCa(t, { state }));
		t.like(error, { code: 'config-invalid' });
		t.regex(error!.message, new RegExp(`${name} can be read by others \\(mode 640\\)`));
	});
}

test('a root.key that is no key keeps the CA from starting, and stays where it is', async (t) => {
	const { state, ca: folder } = oldState(t);
	writeFileSync(join(folder, 'root.key'), 'not a key');
	const before = databaseOnly(folder);
	const error = await t.throwsAsync(startCa(t, { state }));
	t.like(error, { code: 'ca-missing' });
	t.regex(error!.message, /root\.key holds no EC P-256 key/);
	t.deepEqual(databaseOnly(folder), before);
});

test('the files of one CA are not taken for those of another', async (t) => {
	const { state, ca: folder } = oldState(t);
	await (await startCa(t, { state })).close();
	const other = oldState(t);
	for (const [name, text] of Object.entries(other.files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
	const error = await t.throwsAsync(startCa(t, { state }));
	t.like(error, { code: 'config-invalid' });
	t.is(readFileSync(join(folder, 'root.key'), 'utf8'), other.files['root.key']);
});

test('of two that import at once, one does, and both have the same CA', async (t) => {
	const { state, ca: folder, files } = oldState(t);
	const store = openSqliteStore(join(folder, 'ca.db'));
	const vault = createKeyVault('0123456789abcdef');
	// Both have looked before either has written.
	let readers = 0;
	let bothHaveRead = () => {};
	const both = new Promise<void>((resolve) => void (bothHaveRead = resolve));
	const deps = {
		state,
		vault,
		clock: systemClock,
		store: {
			changeTrust: store.changeTrust,
			async readTrust() {
				const trust = await store.readTrust();
				if (++readers === 2) bothHaveRead();
				await both;
				return trust;
			},
		},
	};
	const results = await Promise.allSettled([importFiles(deps), importFiles(deps)]);
	const { version, authorities } = await store.readTrust();
	await store.close();
	t.true(results.some(({ status }) => status === 'fulfilled'));
	t.is(version, 1);
	t.deepEqual(authorities.map(({ root }) => root), [files['bundle.pem']]);
});

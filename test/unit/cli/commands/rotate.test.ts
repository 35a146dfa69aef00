/** `birthmark ca rotate` and `ca status` against a real CA. */

import test from 'ava';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RotationStatus } from '#common/protocol/messages.ts';
import { sha256, startCa, temporaryFolder } from '../../../support/ca.ts';
import { newCommand } from '../../../support/command.ts';

const config = { rotation: { settleSeconds: 0 } };

test('a rotation step by step, each told for people and for programs', async (t) => {
	const ca = await startCa(t, { config });
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	await ca.join('host1');
	const idle = await birthmark(['ca', 'status']);
	t.is(idle.code, 0, idle.stderr);
	t.true(idle.stdout.includes(sha256(ca.bundle)));
	t.regex(idle.stdout, /no rotation is under way/);
	const started = await birthmark(['ca', 'rotate', '--manual']);
	t.regex(started.stdout, /1 identities have not acknowledged the new trust bundle: node host1\n/);
	t.regex(started.stdout, /next: birthmark ca rotate activate$/m);
	const waits = await birthmark(['ca', 'rotate', 'activate']);
	t.is(waits.code, 1);
	t.regex(waits.stderr, /node host1.*\[rotation-waits\]\n$/);
	t.like((await birthmark(['ca', 'rotate', 'activate', '--force', '--json'])).json<RotationStatus>(), { stage: 'retiring', changes: 'root' });
	t.regex((await birthmark(['ca', 'rotate', 'status'])).stdout, /1 identities use certificates of the old keys: node host1/);
	t.like((await birthmark(['ca', 'rotate', 'abort', '--json'])).json<RotationStatus>(), { stage: 'retiring' });
	t.like((await birthmark(['ca', 'rotate', 'finish', '--force', '--json'])).json<RotationStatus>(), { stage: 'idle', digest: sha256(ca.bundle) });
	t.is((await birthmark(['ca', 'rotate', 'finish'])).code, 1);
});

test('what makes everything void has to be meant', async (t) => {
	const ca = await startCa(t, { config });
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const asked = await birthmark(['ca', 'rotate', '--compromised']);
	t.is(asked.code, 2);
	t.regex(asked.stderr, /--yes/);
	t.is((await birthmark(['ca', 'status', '--json'])).json<RotationStatus>().digest, sha256(ca.bundle));
	const done = await birthmark(['ca', 'rotate', '--compromised', '--yes', '--json']);
	t.like(done.json<RotationStatus>(), { stage: 'idle' });
	t.not(done.json<RotationStatus>().digest, sha256(ca.bundle));
});

test('a root key can be kept off line, and is brought for a rotation', async (t) => {
	const ca = await startCa(t, { config });
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const folder = temporaryFolder(t);
	const [out, passphrase, wrong] = [join(folder, 'root-key.pem'), join(folder, 'passphrase'), join(folder, 'wrong')];
	writeFileSync(passphrase, 'correct horse battery staple\n', { mode: 0o600 });
	writeFileSync(wrong, 'incorrect horse battery staple\n', { mode: 0o600 });
	const exported = await birthmark(['ca', 'root-key-export', '--state', ca.state, '--out', out, '--passphrase-file', passphrase, '--remove']);
	t.is(exported.code, 0, exported.stderr);
	t.is(statSync(out).mode & 0o777, 0o600);
	t.regex(readFileSync(out, 'utf8'), /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
	t.is((await birthmark(['ca', 'root-key-export', '--state', ca.state, '--out', `${out}2`, '--passphrase-file', passphrase])).code, 1, 'there is none any more');
	t.false((await birthmark(['ca', 'status', '--json'])).json<RotationStatus>().generations[0]!.hasRootKey);

	t.regex((await birthmark(['ca', 'rotate'])).stderr, /\[root-key-missing\]\n$/);
	t.is((await birthmark(['ca', 'rotate', '--root-key', out, '--passphrase-file', wrong])).code, 2);
	const intermediate = await birthmark(['ca', 'rotate', '--manual', '--intermediate', '--root-key', out, '--passphrase-file', passphrase, '--json']);
	t.deepEqual(intermediate.json<RotationStatus>().generations.map(({ hasRootKey }) => hasRootKey), [false, false], 'it is not kept');
	await birthmark(['ca', 'rotate', 'abort']);
	const root = await birthmark(['ca', 'rotate', '--manual', '--root-key', out, '--passphrase-file', passphrase, '--json']);
	t.deepEqual(root.json<RotationStatus>().generations.map(({ hasRootKey }) => hasRootKey), [false, true], root.stderr);
	await birthmark(['ca', 'rotate', 'activate', '--force']);
	await birthmark(['ca', 'rotate', 'finish', '--force']);
	const other = await birthmark(['ca', 'rotate', '--manual', '--intermediate', '--root-key', out, '--passphrase-file', passphrase, '--json']);
	t.is(other.code, 0, 'the CA has the new root\'s key itself');
});

test('a root key never overwrites a file', async (t) => {
	const ca = await startCa(t, { config });
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const folder = temporaryFolder(t);
	const [out, passphrase] = [join(folder, 'root-key.pem'), join(folder, 'passphrase')];
	writeFileSync(out, 'something');
	writeFileSync(passphrase, 'correct horse battery staple\n', { mode: 0o600 });
	t.is((await birthmark(['ca', 'root-key-export', '--state', ca.state, '--out', out, '--passphrase-file', passphrase, '--remove'])).code, 78);
	t.is(readFileSync(out, 'utf8'), 'something');
	t.true((await birthmark(['ca', 'status', '--json'])).json<RotationStatus>().generations[0]!.hasRootKey);
	t.is((await birthmark(['ca', 'root-key-export', '--state', ca.state, '--out', `${out}2`])).code, 64);
});

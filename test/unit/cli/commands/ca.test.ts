/** `birthmark ca`: the CA's own program, with its exit codes and signals passed on. */

import test from 'ava';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sha256, temporaryFolder } from '../../../support/ca.ts';
import { newCommand } from '../../../support/command.ts';

test('init makes a CA; its options and exit codes are passed on', async (t) => {
	const birthmark = newCommand(t);
	const state = join(temporaryFolder(t), 'state');
	const made = await birthmark(['ca', 'init', '--state', state, '--trust-domain', 'example.org', '--json']);
	t.is(made.code, 0, made.stderr);
	const { trustDomain, digest, bundle } = made.json<{ trustDomain: string; digest: string; bundle: string }>();
	t.is(trustDomain, 'example.org');
	t.is(digest, sha256(bundle));
	const again = await birthmark(['ca', 'init', '--state', state]);
	t.is(again.code, 1);
	t.regex(again.stderr, /\[ca-exists\]\n$/);
	t.is((await birthmark(['ca', 'dance', '--state', state])).code, 64);
	t.is((await birthmark(['ca', 'init', '--state'])).code, 64);
});

test('--json before the command holds for the CA\'s own commands too', async (t) => {
	const birthmark = newCommand(t);
	const state = join(temporaryFolder(t), 'state');
	t.regex((await birthmark(['--json', 'ca', 'init', '--state', state])).json<{ digest: string }>().digest, /^[0-9a-f]{64}$/);
	const again = await birthmark(['--json', 'ca', 'init', '--state', state]);
	t.deepEqual([again.code, again.stderr], [1, '']);
	t.like(again.json(), { error: { code: 'ca-exists' } });
});

test('serve --check-config checks, and starts nothing', async (t) => {
	const birthmark = newCommand(t);
	const state = join(temporaryFolder(t), 'state');
	await birthmark(['ca', 'init', '--state', state]);
	t.like(await birthmark(['ca', 'serve', '--check-config'], { env: { BIRTHMARK_CA_STATE: state } }), { code: 0, stdout: '', stderr: '' });
	t.false(existsSync(join(state, 'admin.sock')));
	const faulty = await birthmark(['ca', 'serve', '--state', state, '--check-config'], { env: { BIRTHMARK_CA_LOG_LEVEL: 'loud' } });
	t.is(faulty.code, 78);
	t.regex(faulty.stderr, /logLevel/);
});

test('serve serves until a signal, which reaches it', async (t) => {
	const birthmark = newCommand(t);
	const state = join(temporaryFolder(t), 'state');
	const { code } = await birthmark(['ca', 'serve', '--state', state, '--init'], {
		env: { BIRTHMARK_CA_LISTEN_HOST: '127.0.0.1', BIRTHMARK_CA_LISTEN_PORT: '0' },
		onStart(child) {
			const lines = createInterface({ input: child.stderr! });
			lines.on('line', async (line) => {
				if ((JSON.parse(line) as { message: string }).message !== 'ready') return;
				t.is((await birthmark(['--ca-socket', join(state, 'admin.sock'), 'ls'])).code, 0);
				child.kill('SIGTERM');
			});
		},
	});
	t.is(code, 0);
	t.false((await birthmark(['--ca-socket', join(state, 'admin.sock'), 'ls'])).code === 0);
});

test('--help is answered wherever it stands, and makes nothing', async (t) => {
	const birthmark = newCommand(t);
	const state = join(temporaryFolder(t), 'state');
	for (const args of [['--help'], ['init', '--help'], ['serve', '-h'], ['init', '--state', state, '--help']]) {
		const { code, stdout, stderr } = await birthmark(['ca', ...args]);
		t.is(code, 0);
		t.regex(stdout, /^ {2}init .*\n[^]*^ {2}serve /m);
		t.is(stderr, '');
	}
	t.false(existsSync(state));
});

test('$BIRTHMARK_CA_MAIN names another program for it', async (t) => {
	const main = join(temporaryFolder(t), 'ca.mjs');
	writeFileSync(main, 'console.log(JSON.stringify(process.argv.slice(2))); process.exit(9);');
	const { code, json } = await newCommand(t)(['ca', 'init', '--state', 'a b', '--', '$x', '--json'], { env: { BIRTHMARK_CA_MAIN: main } });
	t.is(code, 9);
	t.deepEqual(json<string[]>(), ['init', '--state', 'a b', '--', '$x', '--json']);
});

/** The CA as a process: its command line, and that what it answered survives being killed. */

import test from 'ava';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { newKey, sha256, temporaryFolder } from '../../support/ca.ts';
import { CA_MAIN, startCaProcess } from '../../support/ca-process.ts';

interface Result {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

function run(args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
	return new Promise((resolve) => {
		const child = execFile(process.execPath, [CA_MAIN, ...args], { env: { ...process.env, ...env } }, (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }));
	});
}

test('init prints the digest for people or for programs, and fails where there is a CA', async (t) => {
	const folder = temporaryFolder(t);
	const human = await run(['init', '--state', join(folder, 'a')]);
	t.is(human.code, 0);
	t.regex(human.stdout, /\nSHA-256 of its trust bundle: [0-9a-f]{64}\n/);
	const json = await run(['init', '--state', join(folder, 'b'), '--json', '--trust-domain', 'example.org', '--environment', 'test']);
	const made = JSON.parse(json.stdout) as Record<string, string>;
	t.like(made, { trustDomain: 'example.org', environment: 'test', digest: sha256(made['bundle']!) });
	const again = await run(['init', '--state', join(folder, 'a')]);
	t.is(again.code, 1);
	t.regex(again.stderr, /\[ca-exists\]\n$/);
});

test('an audit log that is gone is not found intact', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	await run(['init', '--state', state]);
	const database = join(state, 'ca', 'ca.db');
	rmSync(database);
	const { code, stdout, stderr } = await run(['audit-verify', '--state', state]);
	t.deepEqual([code, stdout], [1, '']);
	t.regex(stderr, /\[ca-missing\]\n$/);
	t.false(existsSync(database));
});

test('what the command line does not understand is answered with its usage', async (t) => {
	for (const args of [[], ['serve'], ['dance', '--state', 'x'], ['init', '--state', 'x', '--colour'], ['init', 'x', '--state', 'y'], ['init', '--state', 'x', '--out', 'y'], ['backup', '--state', 'x']]) {
		const { code, stderr, stdout } = await run(args, { BIRTHMARK_CA_STATE: '' });
		t.is(code, 64, args.join(' '));
		t.regex(stderr, /\[usage\]\n\nusage: ca COMMAND --state DIR/);
		t.is(stdout, '');
	}
});

test('with --json a failure is JSON on standard output, whatever the command', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	await run(['init', '--state', state]);
	for (const [args, code, name] of [
		[['init', '--state', state], 1, 'ca-exists'], [['backup', '--state', state], 64, 'usage'], [['serve', '--state', `${state}2`, '--check-config'], 1, 'ca-missing'],
		[['root-key-export', '--state', state, '--out', 'x', '--passphrase-file', `${state}/none`], 78, 'config-invalid'],
	] as const) {
		const ran = await run([...args, '--json']);
		t.deepEqual([ran.code, ran.stderr], [code, ''], args.join(' '));
		const { error } = JSON.parse(ran.stdout) as { error: { code: string; message: string } };
		t.is(error.code, name);
		t.regex(error.message, /^\S.+$/);
	}
	const { code, stdout } = await run(['serve', '--state', state, '--check-config', '--json']);
	t.deepEqual([code, JSON.parse(stdout)], [0, { valid: true }]);
});

test('help is what was asked for, and lists every command', async (t) => {
	for (const args of [['--help'], ['serve', '-h']]) {
		const { code, stderr, stdout } = await run(args, { BIRTHMARK_CA_STATE: '' });
		t.is(code, 0);
		for (const command of ['init', 'serve', 'backup', 'restore', 'audit-verify', 'root-key-export', 'key-encryption-change']) t.regex(stdout, new RegExp(`^ {2}${command} `, 'm'));
		t.is(stderr, '');
	}
});

test('serving where there is no CA fails, and a configuration is checked without serving', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const missing = await run(['serve', '--state', state]);
	t.is(missing.code, 1);
	t.regex(missing.stderr, /\[ca-missing\]\n$/);
	await run(['init', '--state', state]);
	t.is((await run(['serve', '--check-config'], { BIRTHMARK_CA_STATE: state })).code, 0);
	const file = join(state, 'config.json');
	const original = readFileSync(file, 'utf8');
	const client = { name: 'swarm', organizationalUnit: 'x', organization: 'x', allow: ['*/*'], clientCaFile: join(state, 'no-such-file') };
	writeFileSync(file, JSON.stringify({ ...JSON.parse(original) as object, cfssl: { clients: [client] } }));
	t.like(await run(['serve', '--state', state, '--check-config']), { code: 78 });
	writeFileSync(file, original);
	const faulty = await run(['serve', '--state', state, '--check-config'], { BIRTHMARK_CA_LOG_LEVEL: 'loud' });
	t.is(faulty.code, 78);
	t.regex(faulty.stderr, /logLevel/);
});

test('an address that is taken is told in one line', async (t) => {
	const folder = temporaryFolder(t);
	const taken = createServer().listen(0, '127.0.0.1');
	t.teardown(() => taken.close());
	await once(taken, 'listening');
	const { port } = taken.address() as AddressInfo;
	const { code, stderr } = await run(['serve', '--init', '--state', join(folder, 'state')], { BIRTHMARK_CA_LISTEN_HOST: '127.0.0.1', BIRTHMARK_CA_LISTEN_PORT: String(port) });
	t.is(code, 78);
	t.regex(stderr.split('\n').at(-2)!, /^ca: .*127\.0\.0\.1.*EADDRINUSE.*\[config-invalid\]$/);
});

/** A machine that is busy with other tests may take longer to start a CA again than a token is good by itself. */
const PATIENT = { environment: { BIRTHMARK_CA_TOKEN_TTL_SECONDS: '3600' } };

test('what was answered is still there after kill -9', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const first = await startCaProcess(t, state, PATIENT);
	const node = await first.ca.join('host1');
	const web = await first.ca.enrol(node, 'web01', 'web');
	const doomed = await first.ca.enrol(node, 'web02', 'web');
	const pending = await first.ca.authorize(node, { commonName: 'web03' });
	const token = await first.ca.mint(node, pending.id);
	const revoked = (await first.ca.request('POST', '/v1/revoke', { credentials: node, body: { authorizationId: doomed.authorizationId } })).json<{ crlNumber: number }>();
	const renewed = newKey();
	const renewal = (await first.ca.request('POST', '/v1/renew', { credentials: web, body: renewed.csr() })).text;
	await first.kill();

	const { ca, stop, output } = await startCaProcess(t, state);
	t.is((await ca.sign(web.token, web.keyPair)).text, web.cert);
	t.is((await ca.sign(web.token, newKey())).json()['code'], 'token-used');
	t.is((await ca.request('GET', '/v1/whoami', { credentials: doomed })).json()['code'], 'certificate-revoked');
	t.is((await ca.request('GET', '/v1/whoami', { credentials: { key: renewed.pem, cert: renewal } })).status, 200);
	t.is((await ca.sign(token, newKey())).status, 200);
	t.true(Number((await ca.request('GET', '/v1/crl')).headers.etag!.slice(1, -1)) >= revoked.crlNumber);
	t.is(await stop(), 0);
	t.is(output(), '');
});

test('killed at any moment while it is enrolling, it has every certificate that it gave away and no token twice', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	const first = await startCaProcess(t, state, PATIENT);
	const node = await first.ca.join('host1');
	const starts = await Promise.all(Array.from({ length: 40 }, async (_, index) => {
		const { id } = await first.ca.authorize(node, { commonName: `web${index}` });
		return { token: await first.ca.mint(node, id), key: newKey() };
	}));
	let answered = 0;
	const answers = await Promise.all(starts.map(async ({ token, key }) => {
		const answer = await first.ca.sign(token, key).catch(() => undefined);
		if (++answered === 10) first.child.kill('SIGKILL');
		return answer?.text;
	}));
	t.true(answers.filter(Boolean).length >= 10);

	const { ca } = await startCaProcess(t, state);
	for (const [index, { token, key }] of starts.entries()) {
		const { status, text } = await ca.sign(token, key);
		t.is(status, 200);
		if (answers[index] !== undefined) t.is(text, answers[index]);
	}
});

test('backup and restore, from the command line: what is lost is said, and the audit log is intact', async (t) => {
	const folder = temporaryFolder(t);
	const [state, other, file] = [join(folder, 'a'), join(folder, 'b'), join(folder, 'ca.gz')];
	await run(['init', '--state', state]);
	t.is((await run(['backup', '--state', state])).code, 64);
	const { rows } = JSON.parse((await run(['backup', '--state', state, '--out', file, '--json'])).stdout) as { rows: number };
	t.true(rows > 3);
	const restored = await run(['restore', '--state', other, '--from', file]);
	t.is(restored.code, 0, restored.stderr);
	t.regex(restored.stdout, /^Restored \d+ rows[\s\S]*what was revoked is not revoked any more[\s\S]*Put the key-encryption key at .*\/b\/key-encryption\.key/);
	t.regex((await run(['audit-verify', '--state', other])).stdout, /^intact/);
	const again = await run(['restore', '--state', other, '--from', file]);
	t.is(again.code, 1);
	t.regex(again.stderr, /\[ca-exists\]\n$/);
});

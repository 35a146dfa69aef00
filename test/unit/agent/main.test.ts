import test, { type ExecutionContext } from 'ava';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleDigest } from '#common/protocol/token.ts';
import { createPki, FakeCa, serialOf } from '../../fakes/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const MAIN = fileURLToPath(new URL('../../../agent/main.ts', import.meta.url));
const pki = await createPki();

/** The agent as a process, with a directory and a CA of its own. */
async function prepare(t: ExecutionContext) {
	const directory = tmpfsDirectory(t);
	const ca = await FakeCa.start(t, pki);
	writeFileSync(join(directory, 'token'), ca.mintToken());
	const start = (...args: string[]) => {
		const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env['PATH'], BIRTHMARK_DIR: directory, GREETING: 'hello' } });
		t.teardown(() => void child.kill('SIGKILL'));
		let stdout = '';
		let stderr = '';
		child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
		child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
		const ended = once(child, 'close').then(([code]) => ({ code: code as number, stdout, stderr }));
		const printed = async (text: string) => {
			while (!stdout.includes(text)) await once(child.stdout, 'data');
		};
		return { child, ended, printed };
	};
	return { directory, ca, start, network: ['--ca-url', ca.url] };
}

test('exec makes the identity first, then runs the application with its own environment, and ends as it ends', async (t) => {
	const { directory, start, network } = await prepare(t);
	const { code, stdout, stderr } = await start('exec', ...network, '--', 'sh', '-c', `head -n 1 ${directory}/identity.pem; echo "$GREETING $0 $1"; exit 7`, 'a', 'b c').ended;
	t.is(code, 7);
	t.is(stdout, '-----BEGIN PRIVATE KEY-----\nhello a b c\n');
	t.is(stderr, '');
});

test('an application that cannot get an identity is not started', async (t) => {
	const { directory, ca, start, network } = await prepare(t);
	ca.faults.sign.push({ kind: 'problem', status: 410, code: 'token-expired', detail: 'the token has expired' });
	const { code, stdout, stderr } = await start('exec', ...network, '--', 'echo', 'started').ended;
	t.is(code, 77);
	t.is(stdout, '');
	t.is(stderr, 'birthmark: the token has expired [token-expired]\n');
	t.false(existsSync(join(directory, 'current')));
});

test('what a stranger in the CA\'s place says cannot pass for anything but one line of the agent', async (t) => {
	const { ca, start, network } = await prepare(t);
	const detail = `gone\u001b[2J\nbirthmark: all is well [ok]\r\u009b\u2028${'x'.repeat(10_000)}`;
	ca.faults.roots.push({ kind: 'problem', status: 410, code: 'token-expired', detail });
	const { code, stderr } = await start('once', ...network).ended;
	t.is(code, 77);
	t.regex(stderr, /^birthmark: gone\?\[2J birthmark: all is well \[ok\]\?\?\?x{1,5000} \[token-expired\]\n$/);
});

test('once says that nobody does what a label asks of the agent in front of an application', async (t) => {
	for (const [settings, stderr] of [[{ reload: 'signal:HUP' }, /nobody tells this application of its next certificate/], [{ port: '8443' }, /nobody tells/], [{ keyMode: '0640' }, /^$/]] as const) {
		const { directory, start, network } = await prepare(t);
		writeFileSync(join(directory, 'agent.json'), JSON.stringify({ version: 1, settings }));
		const ended = await start('once', ...network).ended;
		t.is(ended.code, 0, ended.stderr);
		t.regex(ended.stderr, stderr);
	}
});

test('SIGTERM reaches the application, whose answer counts', async (t) => {
	const { start, network } = await prepare(t);
	const { child, printed, ended } = start('exec', ...network, '--', 'sh', '-c', 'trap "echo bye; exit 5" TERM; echo ready; while :; do sleep 0.05; done');
	await printed('ready');
	child.kill('SIGTERM');
	const { code, stdout } = await ended;
	t.is(code, 5);
	t.is(stdout, 'ready\nbye\n');
});

test('an application that a signal ends becomes 128 and its number', async (t) => {
	const { start, network } = await prepare(t);
	t.is((await start('exec', ...network, '--', 'sh', '-c', 'kill -9 $$').ended).code, 137);
});

test('SIGTERM while the CA is silent ends the agent at once', async (t) => {
	const { ca, start, network } = await prepare(t);
	const asked = new Promise<void>((resolve) => {
		ca.onRequest = () => resolve();
	});
	ca.faults.roots.push({ kind: 'silence' });
	const { child, ended } = start('exec', ...network, '--', 'echo', 'started');
	await asked;
	child.kill('SIGTERM');
	const { code, stdout } = await ended;
	t.is(code, 143);
	t.is(stdout, '');
});

test('an application that does not exist is 127, one that may not be run 126', async (t) => {
	const { directory, start, network } = await prepare(t);
	const missing = await start('exec', ...network, '--', 'no-such-program').ended;
	t.is(missing.code, 127);
	t.regex(missing.stderr, /^birthmark: no-such-program could not be started: it was not found .*\[application-not-started\]\n$/);
	t.is((await start('exec', '--', join(directory, 'tls.crt')).ended).code, 78); // without the plugin's agent.json
	t.is((await start('exec', ...network, '--', join(directory, 'tls.crt')).ended).code, 126);
});

test('once enrols, status shows, renew replaces', async (t) => {
	const { directory, ca, start, network } = await prepare(t);
	t.is((await start('once', ...network).ended).code, 0);
	const first = JSON.parse((await start('status', '--json').ended).stdout);
	t.is(first.spiffeId, 'spiffe://birthmark.internal/production/web-api/api01');
	t.is(first.files.identity, join(directory, 'identity.pem'));
	t.true(Date.parse(first.publishedAt) <= Date.now());
	t.is((await start('renew', ...network).ended).code, 0);
	t.is(ca.seen.find(({ route }) => route === 'renew')?.peerSerial, first.serial);
	const text = (await start('status').ended).stdout;
	const serial = serialOf(readFileSync(join(directory, 'tls.crt'), 'utf8'));
	t.not(serial, first.serial);
	t.regex(text, new RegExp(`^serial +${serial}$`, 'm'));
});

test('renew follows the trust bundle as well: nobody else does for an application that renews by itself', async (t) => {
	const { directory, ca, start, network } = await prepare(t);
	t.is((await start('once', ...network).ended).code, 0);
	const both = Buffer.concat([pki.bundle, (await createPki('Next')).bundle]);
	ca.publish(both);
	t.is((await start('renew', ...network).ended).code, 0);
	t.deepEqual(readFileSync(join(directory, 'ca.crt')), both);
	t.is(ca.acknowledged.at(-1), bundleDigest(both).toString('hex'));
});

test('status without an identity is a failure of its own', async (t) => {
	const { start } = await prepare(t);
	const { code, stderr } = await start('status').ended;
	t.is(code, 66);
	t.regex(stderr, /\[identity-missing\]/);
});

test('the application keeps its identity while it runs: renewal goes on beside it', async (t) => {
	const { ca, start, network } = await prepare(t);
	// Renewed after half of it at the earliest, and valid for longer than a busy machine takes to publish it.
	ca.lifetimeSeconds = 6;
	const renewed = new Promise<void>((resolve) => {
		ca.onRequest = (route) => route === 'renew' && resolve();
	});
	const { child, ended } = start('exec', ...network, '--', 'sleep', '60');
	await renewed;
	child.kill('SIGTERM');
	t.is((await ended).code, 143);
});

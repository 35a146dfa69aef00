/** `birthmark login`: the token comes from a file or standard input, and a wrong CA never sees it. */

import test from 'ava';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { IdentityList } from '#common/protocol/messages.ts';
import { newKey, startCa } from '../../../support/ca.ts';
import { newCommand } from '../../../support/command.ts';

test('with a token from standard input the operator is let in, and works from then on', async (t) => {
	const ca = await startCa(t);
	await ca.join('host1');
	const admin = newCommand(t, '--ca-socket', ca.adminSocket);
	const birthmark = newCommand(t);
	const token = (await admin(['operator', 'token', '--name', 'alice'])).stdout;
	const { code, stdout, stderr } = await birthmark(['login', '--ca', ca.url], { input: token });
	t.is(code, 0, stderr);
	t.is(stdout, `logged in to ${ca.url} as alice (trust domain birthmark.internal, environment production)\n`);

	const file = join(birthmark.home, 'operator.json');
	t.is(statSync(file).mode & 0o777, 0o600);
	t.false(readFileSync(file, 'utf8').includes(token.trim()));
	t.regex((await birthmark(['node', 'ls'])).stdout, /^host1 /m);
	t.is((await birthmark(['node', 'token', '--name', 'host2', '--allow', 'a/b'])).code, 0);
	t.is((await birthmark(['node', 'rm', 'host1'])).code, 0);

	const { identities } = (await ca.admin('GET', '/v1/identities/alice')).json<IdentityList>();
	t.is((await admin(['revoke', identities[0]!.serial])).code, 0);
	const refused = await birthmark(['ls']);
	t.is(refused.code, 5);
	t.regex(refused.stderr, /\[certificate-revoked\]\n$/);
});

test('with --token-file and --json it tells where the login is kept', async (t) => {
	const ca = await startCa(t, { config: { trustDomain: 'example.org', environment: 'test' } });
	const birthmark = newCommand(t);
	const file = join(birthmark.home, 'token');
	writeFileSync(file, `${await ca.joinToken({ role: 'operator', name: 'alice' })}\n`);
	const { code, json } = await birthmark(['login', '--ca', ca.url, '--token-file', file, '--json']);
	t.is(code, 0);
	t.deepEqual(json(), { name: 'alice', trustDomain: 'example.org', environment: 'test', file: join(birthmark.home, 'operator.json') });
});

test('a token that comes late and in pieces, from a pipe that stays open, is read', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t);
	const token = await ca.joinToken({ role: 'operator', name: 'alice' });
	const { code, stderr } = await birthmark(['login', '--ca', ca.url], {
		onStart(child) {
			child.stdin!.write(token.slice(0, 20));
			// As long as another run of the command takes: this one waits for the rest by then.
			void birthmark(['--version']).then(() => child.stdin!.write(`${token.slice(20)}\n`));
		},
	});
	t.is(code, 0, stderr);
});

test('the command line takes no token', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t);
	const token = await ca.joinToken({ role: 'operator', name: 'alice' });
	for (const args of [[token], ['--token', token], [`--token=${token}`]]) {
		const { code } = await birthmark(['login', '--ca', ca.url, ...args]);
		t.is(code, 2);
	}
	t.false(existsSync(join(birthmark.home, 'operator.json')));
	t.is((await birthmark(['login', '--ca', ca.url], { input: token })).code, 0);
});

test('a CA that is not the token\'s is noticed before it sees the token', async (t) => {
	const [ours, other] = [await startCa(t), await startCa(t)];
	const birthmark = newCommand(t);
	const token = await ours.joinToken({ role: 'operator', name: 'alice' });
	const { code, stderr } = await birthmark(['login', '--ca', other.url], { input: token });
	t.is(code, 1);
	t.regex(stderr, /\[bundle-digest-mismatch\]\n$/);
	t.false(stderr.includes(token.slice(-25)));
	t.is((await birthmark(['login', '--ca', ours.url], { input: token })).code, 0);
});

test('the token of a node that was given by mistake is still good for the node', async (t) => {
	const ca = await startCa(t);
	const token = await ca.joinToken({ role: 'node', name: 'host1' });
	const { code, stderr } = await newCommand(t)(['login', '--ca', ca.url], { input: token });
	t.is(code, 1);
	t.regex(stderr, /a token for a node, not for an operator.*\[token-wrong-name\]\n$/);
	const answer = await ca.request('POST', '/v1/join', { headers: { authorization: `Bearer ${token}` }, body: { csr: newKey().csr() } });
	t.is(answer.status, 201);
});

test('a login that fails leaves the one there is', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t);
	await birthmark(['login', '--ca', ca.url], { input: await ca.joinToken({ role: 'operator', name: 'alice' }) });
	const file = join(birthmark.home, 'operator.json');
	const before = readFileSync(file, 'utf8');
	const used = await ca.joinToken({ role: 'operator', name: 'bob' });
	await newCommand(t)(['login', '--ca', ca.url], { input: used });
	for (const [input, code, name] of [
		['', 1, 'token-malformed'], ['BMKJOIN-1-x', 1, 'token-malformed'], ['a'.repeat(100_000), 1, 'token-malformed'], [used, 1, 'token-used'],
		[await ca.joinToken({ role: 'node', name: 'host1' }), 1, 'token-wrong-name'],
	] as const) {
		const ran = await birthmark(['login', '--ca', ca.url], { input });
		t.is(ran.code, code, ran.stderr);
		t.true(ran.stderr.endsWith(` [${name}]\n`), ran.stderr);
		if (input !== '') t.false(ran.stderr.includes(input.slice(-20)));
	}
	t.is((await birthmark(['login', '--ca', ca.url, '--token-file', '/nonexistent/token'])).code, 2);
	t.is((await birthmark(['login', '--ca', 'https://127.0.0.1:1'], { input: used })).code, 4);
	t.is(readFileSync(file, 'utf8'), before);
	t.is((await birthmark(['ls'])).code, 0);
});

test('a CA that goes right after it has let the operator in does not make the login a failure', async (t) => {
	const ca = await startCa(t);
	let connections = 0;
	// The bundle, and the certificate for the token.
	const away = createServer((client) => {
		if (++connections > 2) return void client.destroy();
		const upstream = connect(ca.port, '127.0.0.1');
		for (const [from, to] of [[client, upstream], [upstream, client]] as const) from.on('error', () => to.destroy()).on('close', () => to.destroy()).pipe(to);
	});
	t.teardown(() => away.close());
	await new Promise<void>((resolve) => away.listen(0, '127.0.0.1', resolve));
	const birthmark = newCommand(t);
	const { port } = away.address() as AddressInfo;
	const { code, stderr } = await birthmark(['login', '--ca', `https://127.0.0.1:${port}`], { input: await ca.joinToken({ role: 'operator', name: 'alice' }) });
	t.is(code, 0, stderr);
	t.true(existsSync(join(birthmark.home, 'operator.json')));
});

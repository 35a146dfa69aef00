/** `birthmark user`: keys and tokens made off line, users kept at a real CA. */

import test from 'ava';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RevokeAnswer, UserInfo } from '#common/protocol/messages.ts';
import { newKey, sha256, startCa, temporaryFolder } from '../../../support/ca.ts';
import { newCommand } from '../../../support/command.ts';
import { canMakeDisks, smallDisk } from '../../../support/small-disk.ts';

for (const algorithm of ['ES256', 'EdDSA', 'RS256']) {
	test(`new, add, token: with ${algorithm} what was signed off line becomes a certificate`, async (t) => {
		const ca = await startCa(t);
		const offline = newCommand(t);
		const operator = newCommand(t, '--ca-socket', ca.adminSocket);
		const [key, publicKey] = ['alice.json', 'alice.pem'].map((name) => join(offline.home, name)) as [string, string];
		const made = await offline(['user', 'new', 'alice', '--algorithm', algorithm, '--out', key]);
		t.is(made.code, 0, made.stderr);
		t.is(statSync(key).mode & 0o777, 0o600);
		t.false(made.stdout.includes('PRIVATE'));
		writeFileSync(publicKey, made.stdout);
		t.is((await operator(['user', 'add', 'alice', '--public-key', publicKey, '--allow', 'api*/web-api'])).stdout, `alice signs with ${algorithm} and may enrol: api*/web-api\n`);

		const signed = await offline(['user', 'token', '--cn', 'api01', '--ou', 'web-api', '--dns', 'api01.internal', 'api.internal', '--ttl', '5m', '--key', key, '--ca-digest', sha256(ca.bundle)]);
		t.is(signed.code, 0, signed.stderr);
		await operator(['user', 'allow', 'alice', 'api*/web-api', 'api*/other']);
		const { status, text } = await ca.sign(signed.stdout.trim(), newKey());
		t.is(status, 200, text);
		t.is(new X509Certificate(text).subject, 'O=production\nOU=web-api\nCN=api01');
		t.like((await operator(['user', 'ls', '--json'])).json<{ users: UserInfo[] }>().users, [{ name: 'alice', liveIdentities: 1 }]);
		t.regex((await operator(['user', 'ls'])).stdout, /^USER +STATUS.*\nalice +active +\S+ +1 /);
		t.like((await operator(['user', 'rm', 'alice', '--json'])).json<RevokeAnswer>(), { revoked: 1 });
	});
}

test('a key file is never overwritten, and a private key is never sent as a public one', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const key = join(birthmark.home, 'key.json');
	await birthmark(['user', 'new', 'alice', '--out', key]);
	const before = readFileSync(key);
	const again = await birthmark(['user', 'new', 'alice', '--out', key]);
	t.is(again.code, 2);
	t.regex(again.stderr, /exists already/);
	t.deepEqual(readFileSync(key), before);
	const pem = join(birthmark.home, 'private.pem');
	writeFileSync(pem, (JSON.parse(String(before)) as { privateKey: string }).privateKey);
	const jwk = join(birthmark.home, 'private.jwk');
	writeFileSync(jwk, JSON.stringify(createPrivateKey(readFileSync(pem)).export({ format: 'jwk' })));
	for (const file of [key, pem, jwk]) {
		const { code, stderr } = await birthmark(['user', 'add', 'alice', '--public-key', file]);
		t.is(code, 2);
		t.regex(stderr, /private key/);
	}
	t.deepEqual((await birthmark(['user', 'ls', '--json'])).json(), { users: [] });
});

(canMakeDisks() ? test : test.skip)('a key that the disk has no room for leaves no file behind', async (t) => {
	const birthmark = newCommand(t);
	const disk = await smallDisk(t, temporaryFolder(t), '64k');
	const key = join(disk.outside, 'key.json');
	disk.fill();
	const { code, stderr, stdout } = await birthmark(['user', 'new', 'alice', '--out', key]);
	t.deepEqual([code, stdout], [2, '']);
	t.regex(stderr, /cannot be written: ENOSPC/);
	disk.free();
	t.is((await birthmark(['user', 'new', 'alice', '--out', key])).code, 0);
});

test('a public key comes as PEM or as JWK, a private one as PEM with --user', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const { jwk, publicKey } = (await birthmark(['user', 'new', 'bob', '--out', join(birthmark.home, 'key.json'), '--json'])).json<{ jwk: object; publicKey: string }>();
	const file = join(birthmark.home, 'public.jwk');
	writeFileSync(file, JSON.stringify(jwk));
	const { keyId } = (await birthmark(['user', 'add', 'bob', '--public-key', file, '--allow', '*/service', '--json'])).json<UserInfo>();
	writeFileSync(file, publicKey);
	t.is((await birthmark(['user', 'add', 'bob', '--public-key', file, '--allow', '*/service', '--json'])).json<UserInfo>().keyId, keyId);
	const pem = join(birthmark.home, 'private.pem');
	writeFileSync(pem, (JSON.parse(readFileSync(join(birthmark.home, 'key.json'), 'utf8')) as { privateKey: string }).privateKey);
	const token = ['user', 'token', '--cn', 'web01', '--key', pem, '--ca-digest', sha256(ca.bundle)];
	t.regex((await birthmark(token)).stderr, /add --user NAME/);
	const { stdout } = await birthmark([...token, '--user', 'bob']);
	const { status, text } = await ca.sign(stdout.trim(), newKey());
	t.is(status, 200, text);
	t.regex(new X509Certificate(text).subject, /OU=service/);
});

test('names and digests are checked before anything is signed', async (t) => {
	const birthmark = newCommand(t);
	const key = join(temporaryFolder(t), 'key.json');
	await birthmark(['user', 'new', 'alice', '--out', key]);
	const token = (...args: string[]) => birthmark(['user', 'token', '--key', key, ...args]);
	t.regex((await token('--cn', 'API01', '--ca-digest', 'a'.repeat(64))).stderr, /\[name-illegal\]/);
	t.regex((await token('--cn', 'api01', '--ca-digest', 'abc')).stderr, /64 hexadecimal digits/);
	t.regex((await token('--cn', 'api01')).stderr, /not logged in/);
	const overSocket = await birthmark(['--ca-socket', '/nonexistent/socket', 'user', 'token', '--key', key, '--cn', 'api01']);
	t.regex(overSocket.stderr, /there is no login that knows the CA: add --ca-digest \[usage\]/);
	t.is((await birthmark(['user', 'token', '--cn', 'api01', '--key', '/nonexistent', '--ca-digest', 'a'.repeat(64)])).code, 2);
});

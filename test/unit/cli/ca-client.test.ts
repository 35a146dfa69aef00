/** The calls of the command to a real CA, and to servers that are none. */

import test, { type ExecutionContext } from 'ava';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME, type IdentityList, type MintedToken, type WhoAmI } from '#common/protocol/messages.ts';
import { createFailOver } from '#common/runtime/fail-over.ts';
import { listenTcp, listenUnix } from '#common/runtime/listen.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { callAnonymously, createCaClient } from '../../../cli/ca-client.ts';
import type { Profile, TlsProfile } from '../../../cli/profile.ts';
import { createPki, issueLeaf, leafDefaults } from '../../fakes/ca.ts';
import { startCa, temporaryFolder, type Credentials, type TestCa } from '../../support/ca.ts';

const byTls = (ca: Pick<TestCa, 'url' | 'bundle'>, { key, cert }: Credentials): TlsProfile => ({ way: 'tls', urls: [ca.url], key, certificate: cert, bundle: ca.bundle.toString() });
const bySocket = (path: string): Profile => ({ way: 'socket', path });

async function refusal(t: ExecutionContext, promise: Promise<unknown>, code: ErrorCode): Promise<string> {
	const error = await t.throwsAsync(promise, { instanceOf: BirthmarkError });
	t.is(error?.code, code, error?.message);
	return error?.message ?? '';
}

/** Nothing listens there. */
const NOBODY = 'https://127.0.0.1:1';

/** A server with a CA's name and a bundle of its own, that answers as it likes. */
async function serveAsCa(t: ExecutionContext, listener: RequestListener): Promise<{ url: string; bundle: string }> {
	const pki = await createPki();
	const key = generateSigningKey();
	const cert = await issueLeaf({ ...leafDefaults(CA_SERVER_NAME, pki, 3600), publicKey: key.publicKey });
	const server = createHttpsServer({ key: exportSigningKey(key), cert }, listener);
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	const { port } = await listenTcp(server, 0, '127.0.0.1');
	return { url: `https://127.0.0.1:${port}`, bundle: pki.bundle.toString() };
}

/** Something that is not our CA, on a socket of its own. */
async function impostor(t: ExecutionContext, answer: RequestListener): Promise<Profile> {
	const path = join(temporaryFolder(t), 'socket');
	const server = createHttpServer(answer);
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	await listenUnix(server, path, 0o600);
	return bySocket(path);
}

test('over the admin socket and over mutual TLS the same CA answers', async (t) => {
	const ca = await startCa(t);
	const local = await createCaClient(bySocket(ca.adminSocket)).json<IdentityList>('GET', '/v1/identities');
	const alice = createCaClient(byTls(ca, await ca.join('alice', [], 'operator')));
	t.like(await alice.json<WhoAmI>('GET', '/v1/whoami'), { role: 'operator', name: 'alice' });
	const remote = await alice.json<IdentityList>('GET', '/v1/identities');
	t.deepEqual(remote.identities.map(({ commonName }) => commonName), ['alice']);
	t.deepEqual(local.identities, []);
});

test('an answer tells the CA\'s clock', async (t) => {
	const ca = await startCa(t);
	const { date } = await createCaClient(bySocket(ca.adminSocket)).call('GET', '/v1/roots');
	t.true(Math.abs(date!.getTime() - Date.now()) < 60_000);
	const without = createCaClient(await impostor(t, (_, response) => {
		response.sendDate = false;
		response.end('{}');
	}));
	t.is((await without.call('GET', '/')).date, undefined);
});

test('the CA\'s own code and sentence are passed on', async (t) => {
	const ca = await startCa(t);
	const local = createCaClient(bySocket(ca.adminSocket));
	await refusal(t, local.json('GET', '/v1/identities/nobody'), 'certificate-unknown');
	await refusal(t, local.json('DELETE', '/v1/nodes/nobody'), 'node-unknown');
	await refusal(t, local.json('GET', '/v1/nothing'), 'not-found');
	await refusal(t, local.json('DELETE', '/v1/roots'), 'method-not-allowed');
	t.regex(await refusal(t, local.json('POST', '/v1/join-tokens', { role: 'king', more: 1 }), 'request-malformed'), /role/);
	await refusal(t, local.json('POST', '/v1/revoke', { commonName: 'a'.repeat(20_000) }), 'request-too-large');
	const node = createCaClient(byTls(ca, await ca.join('host1')));
	await refusal(t, node.json('GET', '/v1/nodes'), 'forbidden');
	await local.json('DELETE', '/v1/nodes/host1');
	await refusal(t, node.json('GET', '/v1/identities'), 'certificate-revoked');
});

test('a CA that is not there is ca-unavailable, with the address', async (t) => {
	const ca = await startCa(t);
	const alice = await ca.join('alice', [], 'operator');
	await ca.close();
	t.regex(await refusal(t, createCaClient(byTls(ca, alice)).call('GET', '/v1/whoami'), 'ca-unavailable'), new RegExp(`^the CA at ${ca.url} could not be reached: .*ECONNREFUSED`));
	t.regex(await refusal(t, createCaClient(byTls({ ...ca, url: `https://localhost:${ca.port}` }, alice)).call('GET', '/v1/whoami'), 'ca-unavailable'), /ECONNREFUSED/);
	t.regex(await refusal(t, createCaClient(bySocket('/nonexistent/socket')).call('GET', '/'), 'ca-unavailable'), /\/nonexistent\/socket .*ENOENT/);
	await refusal(t, callAnonymously(createFailOver([ca.url]), undefined, 'GET', '/v1/roots'), 'ca-unavailable');
});

test('a server that cannot prove that it is the CA is ca-protocol, and learns nothing', async (t) => {
	const [ours, other] = [await startCa(t), await startCa(t)];
	const alice = await ours.join('alice', [], 'operator');
	const token = await other.joinToken({ role: 'operator', name: 'mallory' });
	t.regex(await refusal(t, createCaClient({ ...byTls(ours, alice), urls: [other.url] }).call('GET', '/v1/whoami'), 'ca-protocol'), /cannot prove that it is the CA/);
	await refusal(t, callAnonymously(createFailOver([other.url]), ours.bundle.toString(), 'POST', '/v1/join', { json: {}, token }), 'ca-protocol');
	t.is(await callAnonymously(createFailOver([other.url]), undefined, 'GET', '/v1/roots'), other.bundle.toString());
});

test.serial('NODE_TLS_REJECT_UNAUTHORIZED changes nothing about that', async (t) => {
	const [ours, other] = [await startCa(t), await startCa(t)];
	process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
	t.teardown(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
	await refusal(t, callAnonymously(createFailOver([other.url]), ours.bundle.toString(), 'GET', '/v1/roots'), 'ca-protocol');
});

test('what speaks no TLS or no HTTP is not the CA', async (t) => {
	const ca = await startCa(t);
	const babble = createServer((socket) => socket.on('error', () => {}).end('220 mail.example ESMTP\r\n'));
	t.teardown(() => babble.close());
	const { port } = await listenTcp(babble, 0, '127.0.0.1');
	await refusal(t, callAnonymously(createFailOver([`https://127.0.0.1:${port}`]), ca.bundle.toString(), 'GET', '/'), 'ca-protocol');
	const path = join(temporaryFolder(t), 'socket');
	const local = createServer((socket) => socket.on('error', () => {}).end('220 mail.example ESMTP\r\n'));
	t.teardown(() => local.close());
	await listenUnix(local, path, 0o600);
	await refusal(t, createCaClient(bySocket(path)).call('GET', '/'), 'ca-protocol');
});

test('what answers without being the CA is ca-protocol', async (t) => {
	const html = createCaClient(await impostor(t, (_, response) => void response.writeHead(502).end('<html>')));
	t.regex(await refusal(t, html.call('GET', '/'), 'ca-protocol'), /answered 502 without a problem document/);
	const moved = createCaClient(await impostor(t, (_, response) => void response.writeHead(302, { Location: 'https://evil.example/' }).end('{}')));
	await refusal(t, moved.call('GET', '/'), 'ca-protocol');
	const text = createCaClient(await impostor(t, (_, response) => void response.end('welcome')));
	t.is((await text.call('GET', '/')).body, 'welcome');
	t.regex(await refusal(t, text.json('GET', '/'), 'ca-protocol'), /not JSON$/);
});

test('an answer without end is cut at 64 MiB', async (t) => {
	const chunk = Buffer.alloc(1024 * 1024, 'a');
	let chunks = 0;
	const endless = createCaClient(await impostor(t, (_, response) => {
		const more = (): void => {
			while (!response.destroyed && ++chunks && response.write(chunk));
		};
		response.on('drain', more);
		more();
	}));
	t.regex(await refusal(t, endless.call('GET', '/'), 'ca-protocol'), /too large$/);
	t.true(chunks > 64 && chunks < 80, `${chunks} MiB were taken`);
});

test('an answer that breaks off is ca-unavailable', async (t) => {
	const broken = createCaClient(await impostor(t, (_, response) => {
		response.writeHead(200, { 'Content-Length': '100' });
		response.write('{"identities":', () => response.destroy());
	}));
	await refusal(t, broken.json('GET', '/'), 'ca-unavailable');
});

test('of several instances one that answers is enough, and one that is another CA is passed over', async (t) => {
	const [ours, other] = [await startCa(t), await startCa(t)];
	const alice = byTls(ours, await ours.join('alice', [], 'operator'));
	for (const urls of [[NOBODY, ours.url], [other.url, NOBODY, ours.url], [ours.url, NOBODY]]) {
		const client = createCaClient({ ...alice, urls });
		t.like(await client.json<WhoAmI>('GET', '/v1/whoami'), { name: 'alice' });
		t.regex((await client.json<MintedToken>('POST', '/v1/join-tokens', { role: 'node' })).token, /^BMKJOIN-/);
	}
	t.regex(await refusal(t, createCaClient({ ...alice, urls: [NOBODY, 'https://127.0.0.1:2'] }).call('GET', '/v1/whoami'), 'ca-unavailable'), /127\.0\.0\.1:2 /);
});

test('what an instance may have done is not asked of another, but a question is', async (t) => {
	const ca = await startCa(t);
	const alice = byTls(ca, await ca.join('alice', [], 'operator'));
	const asked: string[] = [];
	const dying = await serveAsCa(t, (request, response) => {
		asked.push(`${request.method} ${request.url}`);
		response.destroy();
	});
	const client = () => createCaClient({ ...alice, urls: [dying.url, ca.url], bundle: alice.bundle + dying.bundle });
	t.like(await client().json<WhoAmI>('GET', '/v1/whoami'), { name: 'alice' });
	await refusal(t, client().json('POST', '/v1/join-tokens', { role: 'node' }), 'ca-unavailable');
	t.deepEqual(asked, ['GET /v1/whoami', 'POST /v1/join-tokens']);
});

test('an instance whose store is away sends to the next', async (t) => {
	const ca = await startCa(t);
	const alice = byTls(ca, await ca.join('alice', [], 'operator'));
	const away = await serveAsCa(t, (_, response) => void response.writeHead(503).end());
	const client = createCaClient({ ...alice, urls: [away.url, ca.url], bundle: alice.bundle + away.bundle });
	t.regex((await client.json<MintedToken>('POST', '/v1/join-tokens', { role: 'node' })).token, /^BMKJOIN-/);
});

test('a damaged login says so instead of blaming the CA', async (t) => {
	const ca = await startCa(t);
	const alice = byTls(ca, await ca.join('alice', [], 'operator'));
	const other = await ca.join('bob', [], 'operator');
	for (const damage of [{ key: 'nonsense' }, { certificate: 'nonsense' }, { key: other.key }]) {
		t.regex(await refusal(t, createCaClient({ ...alice, ...damage }).call('GET', '/v1/whoami'), 'config-invalid'), /birthmark login/);
	}
});

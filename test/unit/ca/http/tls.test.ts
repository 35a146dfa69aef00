/** The TLS side: who is let in as whom, on which connections, and the server's own certificate. */

import test from 'ava';
import { connect as connectTcp } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { X509Certificate } from 'node:crypto';
import { Agent, request } from 'node:https';
import { DatabaseSync } from 'node:sqlite';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import { movableClock, startCa, type TestCa } from '../../../support/ca.ts';

async function handshake(ca: TestCa, options: ConnectionOptions = {}): Promise<TLSSocket> {
	const socket = connect({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: CA_SERVER_NAME, ...options });
	await once(socket, 'secureConnect');
	return socket;
}

test('the server proves to be birthmark-ca with a certificate for servers only', async (t) => {
	const ca = await startCa(t);
	const socket = await handshake(ca);
	const leaf = socket.getPeerX509Certificate()!;
	t.is(leaf.subject, 'O=production\nOU=birthmark-ca\nCN=birthmark-ca');
	t.is(leaf.subjectAltName, 'DNS:birthmark-ca, URI:spiffe://birthmark.internal/birthmark/ca/server');
	t.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
	t.is(socket.getProtocol(), 'TLSv1.3');
	socket.destroy();
});

test('TLS 1.2 works with an AEAD suite, and with nothing older', async (t) => {
	const ca = await startCa(t);
	const socket = await handshake(ca, { maxVersion: 'TLSv1.2' });
	t.regex(socket.getCipher().name, /^ECDHE-ECDSA-.*(GCM|CHACHA20)/);
	socket.destroy();
	await t.throwsAsync(handshake(ca, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' }));
	await t.throwsAsync(handshake(ca, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }));
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
	test(`no session is resumed over ${version}`, async (t) => {
		const ca = await startCa(t);
		const first = await handshake(ca, { maxVersion: version, minVersion: version });
		const sessions: Buffer[] = [];
		first.on('session', (session: Buffer) => sessions.push(session));
		first.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
		await once(first, 'data');
		const session = sessions[0] ?? first.getSession();
		first.destroy();
		const second = await handshake(ca, { maxVersion: version, minVersion: version, ...(session && { session }) });
		t.false(second.isSessionReused());
		second.destroy();
	});
}

test('the server certificate is replaced at half of its life, without a restart', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock, config: { profiles: { server: { lifetimeSeconds: 100 } } } });
	const serial = async () => {
		const socket = await handshake(ca);
		const { serialNumber } = socket.getPeerX509Certificate()!;
		socket.destroy();
		return serialNumber;
	};
	const first = await serial();
	clock.advance(49);
	await ca.lookAfter();
	t.is(await serial(), first);
	clock.advance(1);
	await ca.lookAfter();
	const second = await serial();
	t.not(second, first);
	clock.advance(-30);
	await ca.lookAfter();
	t.is(await serial(), second);
	// The clock was set back: nobody would take a certificate that is not valid yet.
	clock.advance(-70);
	await ca.lookAfter();
	t.not(await serial(), second);
	const credentials = await ca.join('host1');
	t.is((await ca.request('GET', '/v1/whoami', { credentials })).status, 200);
});

test('a certificate of another CA is nobody', async (t) => {
	const [ca, other] = [await startCa(t), await startCa(t)];
	const credentials = await other.join('host1');
	t.is((await ca.request('GET', '/v1/whoami', { credentials })).json()['code'], 'unauthenticated');
	t.is((await ca.request('GET', '/v1/roots', { credentials })).status, 200);
});

test('a certificate that the CA has no record of is nobody, although its chain is right', async (t) => {
	const ca = await startCa(t);
	const credentials = await ca.join('host1');
	await ca.close();
	const database = new DatabaseSync(`${ca.state}/ca/ca.db`);
	database.exec(`UPDATE join_tokens SET serial = NULL; DELETE FROM certificates`);
	database.close();
	const again = await startCa(t, { state: ca.state });
	t.is((await again.request('GET', '/v1/whoami', { credentials })).json()['code'], 'unauthenticated');
});

test('a leaf may come without its intermediate, which the CA knows', async (t) => {
	const ca = await startCa(t);
	const { key, cert } = await ca.join('host1');
	t.is((await ca.request('GET', '/v1/whoami', { credentials: { key, cert: new X509Certificate(cert).toString() } })).status, 200);
});

test('revocation and expiry reach a connection that is open already', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock });
	const [host1, host2] = [await ca.join('host1'), await ca.join('host2')];
	const agents = [host1, host2].map((credentials) => new Agent({ keepAlive: true, maxSockets: 1, ca: ca.bundle, servername: CA_SERVER_NAME, ...credentials }));
	t.teardown(() => agents.forEach((agent) => agent.destroy()));
	const whoami = (agent: Agent) => new Promise<{ status: number; isReused: boolean; code: unknown }>((resolve, reject) => {
		const call = request({ agent, host: '127.0.0.1', port: ca.port, path: '/v1/whoami' }, async (response) => {
			const body = Buffer.concat(await response.toArray() as Buffer[]).toString();
			resolve({ status: response.statusCode!, isReused: call.reusedSocket, code: (JSON.parse(body) as { code?: unknown }).code });
		});
		call.once('error', reject).end();
	});
	for (const agent of agents) t.like(await whoami(agent), { status: 200, isReused: false });
	await ca.admin('DELETE', '/v1/nodes/host1');
	t.like(await whoami(agents[0]!), { isReused: true, code: 'certificate-revoked' });
	clock.advance(31 * 86_400);
	t.like(await whoami(agents[1]!), { isReused: true, code: 'identity-expired' });
});

test('an expired certificate is told so in the handshake\'s place', async (t) => {
	const past = movableClock(new Date(Date.now() - 40 * 86_400_000));
	const ca = await startCa(t, { clock: past, config: { profiles: { server: { lifetimeSeconds: 300 * 86_400 } } } });
	const credentials = await ca.join('host1');
	t.is((await ca.request('GET', '/v1/whoami', { credentials })).json()['code'], 'identity-expired');
});

test('a body that arrives after the caller was cut off is not acted upon', async (t) => {
	const ca = await startCa(t);
	const mallory = await ca.join('mallory', [], 'operator');
	const { serialNumber } = new X509Certificate(mallory.cert);
	const socket = await handshake(ca, mallory);
	const body = JSON.stringify({ role: 'operator', name: 'eve' });
	socket.write(`POST /v1/join-tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`);
	t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 100 /);
	socket.write(body.slice(0, -1));
	// Another request that was sent later and is answered: by then the first has long been admitted.
	t.is((await ca.request('GET', '/v1/whoami', { credentials: mallory })).status, 200);
	t.is((await ca.admin('POST', '/v1/revoke', { serial: serialNumber })).json()['revoked'], 1);
	socket.write(body.slice(-1));
	t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 403 [^]*certificate-revoked/);
	socket.destroy();
});

test('connections that never say anything do not keep the CA from stopping', async (t) => {
	const ca = await startCa(t);
	const silent = connectTcp(ca.port, '127.0.0.1');
	t.teardown(() => silent.destroy());
	await once(silent, 'connect');
	// Not cut off it would stay for the sixty seconds that a handshake has here.
	t.timeout(45_000);
	await t.notThrowsAsync(ca.close());
});

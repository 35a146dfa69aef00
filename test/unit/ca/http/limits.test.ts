/** What one client may take: time, connections, bytes. Whoever is slow or holds on pays for it alone. */

import test from 'ava';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect as connectPlain, type AddressInfo } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import { createPublicServer } from '../../../../ca/http/server.ts';
import { startCa, type Credentials, type TestCa } from '../../../support/ca.ts';

/** Short, and yet a machine that is busy with other tests gets through a handshake in it. */
const SHORT = { headerSeconds: 5, requestSeconds: 6 };

async function open(ca: TestCa, credentials?: Credentials): Promise<TLSSocket> {
	const socket = connect({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: CA_SERVER_NAME, ...credentials });
	socket.on('error', () => {});
	await once(socket, 'secureConnect');
	return socket;
}

const closed = async (socket: TLSSocket): Promise<string> => {
	const chunks: Buffer[] = [];
	socket.on('data', (chunk: Buffer) => chunks.push(chunk));
	// Whoever writes to a connection that was cut off is reset.
	socket.on('error', () => undefined);
	if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
	return Buffer.concat(chunks).toString();
};

async function ask(socket: TLSSocket, path: string): Promise<string> {
	socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
	return String((await once(socket, 'data'))[0]);
}

test('who sends the head of a request a byte at a time is cut off', async (t) => {
	const ca = await startCa(t, { config: { limits: SHORT } });
	const slow = await open(ca);
	const drip = setInterval(() => slow.write('x'), 50);
	t.teardown(() => clearInterval(drip));
	slow.write('GET /healthz HTTP/1.1\r\nX-Slow: ');
	t.regex(await closed(slow), /^(HTTP\/1\.1 408 |$)/);
	t.is((await ca.request('GET', '/healthz')).status, 200);
});

test('who sends the body a byte at a time is cut off', async (t) => {
	const ca = await startCa(t, { config: { limits: SHORT } });
	const slow = await open(ca);
	slow.write('PUT /v1/sign/x HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n');
	const drip = setInterval(() => slow.write('x'), 50);
	t.teardown(() => clearInterval(drip));
	t.regex(await closed(slow), /^(HTTP\/1\.1 40\d |$)/);
	t.is((await ca.request('GET', '/healthz')).status, 200);
});

test('a head that is too large is refused without being read', async (t) => {
	const ca = await startCa(t);
	const socket = await open(ca);
	socket.write(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`);
	t.regex(await closed(socket), /^HTTP\/1\.1 431 /);
});

test('of an address that holds too many connections the oldest idle one goes, and whoever is new is served', async (t) => {
	const ca = await startCa(t, { config: { limits: { connectionsPerAddress: 8 } } });
	const host1 = await ca.join('host1');
	const node = await open(ca, host1);
	t.regex(await ask(node, '/v1/whoami'), /^HTTP\/1\.1 200 /);
	const hoarded: TLSSocket[] = [];
	for (let count = 0; count < 7; count++) hoarded.push(await open(ca));
	for (let count = 0; count < 5; count++) {
		const gone = closed(hoarded[count]!);
		hoarded.push(await open(ca));
		await gone;
	}
	t.is(hoarded.filter(({ closed }) => !closed).length, 7);
	t.is((await ca.request('GET', '/healthz')).status, 200);
	// The oldest of all has shown a certificate, and is still there.
	t.regex(await ask(node, '/v1/whoami'), /^HTTP\/1\.1 200 /);
	for (const socket of [node, ...hoarded]) socket.destroy();
});

test('connections that are gone are not counted', async (t) => {
	const ca = await startCa(t, { config: { limits: { connectionsPerAddress: 4 } } });
	const first = await open(ca);
	for (let count = 0; count < 20; count++) {
		const socket = await open(ca);
		socket.destroy();
		await once(socket, 'close');
		// Answered on its own connection, which is gone when the answer has come.
		await ca.request('GET', '/healthz');
	}
	t.regex(await ask(first, '/healthz'), /^HTTP\/1\.1 200 /);
	first.destroy();
});

test('who connects and does not begin with TLS is cut off too, and does not delay the end of the CA', async (t) => {
	const ca = await startCa(t, { config: { limits: SHORT } });
	const silent = connectPlain(ca.port, '127.0.0.1');
	await once(silent.resume(), 'close');
	t.is((await ca.request('GET', '/healthz')).status, 200);
	await ca.close();

	const patient = await startCa(t, { config: { limits: { headerSeconds: 60, requestSeconds: 60 } } });
	const other = connectPlain(patient.port, '127.0.0.1');
	await once(other, 'connect');
	await Promise.all([once(other.resume(), 'close'), patient.close()]);
	t.is(other.bytesRead, 0);
	await t.throwsAsync(patient.request('GET', '/healthz'), { code: 'ECONNREFUSED' });
});

test('who does not read the answer is cut off', async (t) => {
	const limits = { connections: 10, connectionsPerAddress: 10, headerSeconds: 3, requestSeconds: 3 };
	let answered = (_: ServerResponse): void => {};
	const answer = new Promise<ServerResponse>((resolve) => (answered = resolve));
	const server = createPublicServer((_, response) => {
		response.end(Buffer.alloc(64 * 1024 * 1024));
		answered(response);
	}, () => limits);
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => server.close());
	const client = connectPlain((server.address() as AddressInfo).port, '127.0.0.1').pause();
	t.teardown(() => client.destroy());
	client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
	const response = await answer;
	await once(response, 'close');
	t.false(response.writableFinished);
});

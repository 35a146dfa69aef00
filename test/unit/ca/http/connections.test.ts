/** Who gets a connection when one address has as many as it may: a whole host with its containers is one address. */

import test, { type ExecutionContext } from 'ava';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import { limitConnections } from '../../../../ca/http/connections.ts';
import { startCa, type Credentials, type TestCa } from '../../../support/ca.ts';

const LIMIT = 8;

async function listen(t: ExecutionContext, listener: RequestListener) {
	const server = createServer({ keepAliveTimeout: 0 }, listener);
	limitConnections(server, () => LIMIT);
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		server.close();
		server.closeAllConnections();
	});
	const { port } = server.address() as AddressInfo;
	const open = (): Socket => {
		const socket = connect(port, '127.0.0.1');
		socket.on('error', () => undefined);
		t.teardown(() => socket.destroy());
		return socket;
	};
	return { server, open };
}

async function answer(socket: Socket): Promise<string> {
	return String((await Promise.race([once(socket, 'data'), once(socket, 'close')]))[0]);
}

/** @returns the first line of the answer; nothing when the connection is closed */
function ask(socket: Socket, path: string): Promise<string> {
	socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
	return answer(socket);
}

test('who comes with many connections at one moment gets no more than who comes with one after the other', async (t) => {
	const { server, open } = await listen(t, (_, response) => void response.end());
	const accepted: Socket[] = [];
	const all = new Promise<void>((resolve) => server.on('connection', (socket) => accepted.push(socket) === 60 && resolve()));
	for (let count = 0; count < 60; count++) open();
	await all;
	t.is(accepted.filter(({ destroyed }) => !destroyed).length, LIMIT);
});

test('who does not read the answers holds no connection that somebody else needs', async (t) => {
	const waiting: ServerResponse[] = [];
	const { open } = await listen(t, ({ url }, response) => {
		if (url === '/large') response.end(Buffer.alloc(64 * 1024 * 1024));
		else response.end('ok');
		waiting.push(response);
	});
	for (let count = 0; count < LIMIT; count++) {
		const socket = open().pause();
		socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
		await once(socket, 'readable');
	}
	t.true(waiting.every(({ writableFinished }) => !writableFinished));
	t.regex(await ask(open(), '/'), /^HTTP\/1\.1 200 /);
});

test('what is being worked on is brought to its end, and who comes meanwhile is refused', async (t) => {
	const working: ServerResponse[] = [];
	let isAll = (): void => {};
	const all = new Promise<void>((resolve) => (isAll = resolve));
	const { open } = await listen(t, (_: IncomingMessage, response) => {
		if (working.push(response) === LIMIT) isAll();
	});
	const answers = Array.from({ length: LIMIT }, () => ask(open(), '/'));
	await all;
	const refused = open();
	await once(refused, 'close');
	for (const response of working) response.end();
	for (const text of await Promise.all(answers)) t.regex(text, /^HTTP\/1\.1 200 /);
});

async function openTls(t: ExecutionContext, ca: TestCa, credentials?: Credentials): Promise<Socket> {
	const socket = connectTls({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: CA_SERVER_NAME, ...credentials });
	socket.on('error', () => undefined);
	t.teardown(() => socket.destroy());
	await once(socket, 'secureConnect');
	return socket;
}

test('a container that holds requests open which it does not finish does not keep its node away', async (t) => {
	const ca = await startCa(t, { config: { limits: { connectionsPerAddress: LIMIT } } });
	const credentials = await ca.join('host1');
	for (let count = 0; count < LIMIT; count++) {
		const socket = await openTls(t, ca);
		socket.write('POST /v1/ocsp HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\nx');
		t.regex(await answer(socket), /^HTTP\/1\.1 100 /);
	}
	t.is((await ca.request('GET', '/v1/whoami', { credentials })).status, 200);
});

test('a container with a certificate that holds all connections of its address does not keep its node away', async (t) => {
	const ca = await startCa(t, { config: { limits: { connectionsPerAddress: LIMIT } } });
	const credentials = await ca.join('host1');
	const web = await ca.enrol(credentials, 'web01', 'web');
	const node = await openTls(t, ca, credentials);
	t.regex(await ask(node, '/v1/whoami'), /^HTTP\/1\.1 200 /);
	for (let count = 0; count < 2 * LIMIT; count++) t.regex(await ask(await openTls(t, ca, web), '/v1/whoami'), /^HTTP\/1\.1 200 /);
	t.regex(await ask(node, '/v1/whoami'), /^HTTP\/1\.1 200 /, 'the oldest, but not one of many');
	t.is((await ca.request('GET', '/v1/whoami', { credentials })).status, 200);
});

test('a container that hoards connections with a certificate pushes out nobody who has still to show who he is', async (t) => {
	const ca = await startCa(t, { config: { limits: { connectionsPerAddress: LIMIT } } });
	const web = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	const hoard = async () => t.regex(await ask(await openTls(t, ca, web), '/v1/whoami'), /^HTTP\/1\.1 200 /);
	for (let count = 0; count < LIMIT - 1; count++) await hoard();
	const newcomer = await openTls(t, ca);
	for (let count = 0; count < LIMIT; count++) await hoard();
	t.false(newcomer.closed);
	t.regex(await ask(newcomer, '/healthz'), /^HTTP\/1\.1 200 /);
});

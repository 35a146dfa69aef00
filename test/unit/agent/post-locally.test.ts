import test, { type ExecutionContext } from 'ava';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { postLocally } from '../../../agent/post-locally.ts';
import { temporaryFolder } from '../../support/ca.ts';

const never = new AbortController().signal;

async function listen(t: ExecutionContext, server: Server): Promise<{ host: '127.0.0.1'; port: number }> {
	const sockets = new Set<Socket>();
	server.on('connection', (socket: Socket) => void sockets.add(socket.on('error', () => {})));
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

/** An HTTP server that answers everything with this status. */
function answering(status: number, seen: IncomingMessage[] = []): Server {
	return createHttpServer((request, response) => {
		seen.push(request);
		response.writeHead(status, { Location: 'http://192.0.2.1/' }).end('a body');
	});
}

for (const status of [200, 202, 204, 299]) {
	test(`an answer of ${status} is good`, async (t) => {
		const seen: IncomingMessage[] = [];
		const to = await listen(t, answering(status, seen));
		t.is(await postLocally(to, '/reload?now=1', never), undefined);
		t.is(seen.length, 1);
		t.like(seen[0], { method: 'POST', url: '/reload?now=1', headers: { 'host': `127.0.0.1:${to.port}`, 'content-length': '0' } });
	});
}

for (const status of [301, 307, 400, 404, 500]) {
	test(`an answer of ${status} is none that was hoped for, and no redirection is followed`, async (t) => {
		const to = await listen(t, answering(status));
		t.is(await postLocally(to, '/reload', never), `POST /reload at 127.0.0.1:${to.port} was answered with ${status}`);
	});
}

test('a socket of the container is asked like a port', async (t) => {
	const socketPath = join(temporaryFolder(t), 'app.sock');
	const seen: IncomingMessage[] = [];
	const server = answering(204, seen).listen(socketPath);
	t.teardown(() => server.close());
	await once(server, 'listening');
	t.is(await postLocally({ socketPath }, '/reload', never), undefined);
	t.like(seen[0], { method: 'POST', url: '/reload' });
	t.is(await postLocally({ socketPath: `${socketPath}.gone` }, '/reload', never), `POST /reload at ${socketPath}.gone failed (ENOENT)`);
});

test('the first line may come in pieces', async (t) => {
	const to = await listen(t, createServer((socket) => void socket.once('data', () => {
		socket.write('HTTP/1.1 2');
		setImmediate(() => socket.write('04 No Content\r\n'));
	})));
	t.is(await postLocally(to, '/', never), undefined);
});

for (const [what, words] of [['other words', 'SSH-2.0-OpenSSH_9.6\r\n'], ['a first line without end', 'x'.repeat(2000)], ['nothing', '']] as const) {
	test(`${what} and an end are no HTTP`, async (t) => {
		const to = await listen(t, createServer((socket) => void socket.once('data', () => socket.end(words))));
		t.is(await postLocally(to, '/', never), `what answers at 127.0.0.1:${to.port} does not speak HTTP`);
	});
}

test('nobody waits for ever, nor when it is too late', async (t) => {
	const to = await listen(t, createServer(() => {}));
	t.is(await postLocally(to, '/', never, 100), `POST / at 127.0.0.1:${to.port} was not answered within 0.1 s`);
	const stop = new AbortController();
	const asking = postLocally(to, '/', stop.signal);
	const reason = new Error('superseded');
	stop.abort(reason);
	t.is(await t.throwsAsync(asking), reason);
});

test('nothing listens', async (t) => {
	const server = createServer();
	const to = await listen(t, server);
	server.close();
	await once(server, 'close');
	t.is(await postLocally(to, '/', never), `POST / at 127.0.0.1:${to.port} failed (ECONNREFUSED)`);
});

import { once } from 'node:events';
import { Agent, createServer, request as httpRequest, type RequestListener } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { exchange } from '../../../plugin/request.ts';

const LIMITS = { deadlineMs: 60_000, maxBytes: 1000 };

async function served(t: ExecutionContext, listener: RequestListener, onStart: (signal: AbortSignal) => void = () => undefined, onEnd: (socket: Socket) => void = () => undefined) {
	const server = createServer(listener).listen(0, '127.0.0.1');
	await once(server, 'listening');
	const agent = new Agent({ keepAlive: true, maxSockets: 1 });
	t.teardown(() => {
		agent.destroy();
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as AddressInfo;
	return (body?: string, limits = LIMITS) => exchange((signal, onAnswer) => {
		onStart(signal);
		return httpRequest({ port, method: 'POST', agent, signal }, (answer) => {
			onEnd(answer.socket);
			onAnswer(answer);
		});
	}, body, limits);
}

test('status, headers and body come back', async (t) => {
	const call = await served(t, (request, response) => void request.pipe(response.writeHead(201, { 'x-test': 'y' })));
	const answer = await call('hello');
	t.is(answer.status, 201);
	t.is(answer.headers['x-test'], 'y');
	t.is(answer.body, 'hello');
});

test('a kept connection that was closed meanwhile is replaced', async (t) => {
	const seen = new Set<unknown>();
	let cut = 0;
	const signals: AbortSignal[] = [];
	const call = await served(t, ({ socket }, response) => {
		if (seen.has(socket)) {
			cut++;
			socket.resetAndDestroy();
		} else {
			seen.add(socket);
			response.end('ok');
		}
	}, (signal) => signals.push(signal));
	t.is((await call()).body, 'ok');
	t.is((await call()).body, 'ok');
	t.is(cut, 1);
	// Both attempts of the second call have one deadline.
	t.is(signals.length, 3);
	t.is(signals[1], signals[2]);
});

test('a kept connection does not grow with the calls that it carries', async (t) => {
	const sockets = new Set<Socket>();
	const call = await served(t, ({ socket }, response) => {
		response.end(String(sockets.add(socket).size));
	}, undefined, (socket) => t.is(socket.listenerCount('secureConnect'), 0));
	for (let calls = 0; calls < 3; calls++) t.is((await call()).body, '1');
	t.plan(6);
});

test('so is one that a waiting call takes over from another', async (t) => {
	const seen = new Set<unknown>();
	let cut = 0;
	const call = await served(t, ({ socket }, response) => {
		if (!seen.has(socket)) return void response.end(String(seen.add(socket).size));
		cut++;
		socket.resetAndDestroy();
	});
	t.deepEqual((await Promise.all([call(), call()])).map(({ body }) => body), ['1', '2']);
	t.is(cut, 1);
});

test('a connection that is cut in its handshake is tried once more', async (t) => {
	let connections = 0;
	const server = createTcpServer((socket) => {
		connections++;
		socket.resetAndDestroy();
	}).listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => server.close());
	const { port } = server.address() as AddressInfo;
	await t.throwsAsync(exchange((signal, onAnswer) => httpsRequest({ port, agent: false, signal }, onAnswer), undefined, LIMITS), { code: 'ECONNRESET' });
	t.is(connections, 2);
});

test('a fresh connection that is cut is a failure', async (t) => {
	const call = await served(t, ({ socket }) => void socket.resetAndDestroy());
	await t.throwsAsync(call(), { code: 'ECONNRESET' });
});

test('no answer in time is a failure', async (t) => {
	const call = await served(t, () => undefined);
	await t.throwsAsync(call('x', { ...LIMITS, deadlineMs: 20 }), { message: /no answer within 20 ms/ });
});

test('an answer that is too large or breaks off is a failure', async (t) => {
	const large = await served(t, (_, response) => void response.end('x'.repeat(5000)));
	await t.throwsAsync(large(), { message: /larger than 1000 bytes/ });
	const broken = await served(t, (_, response) => {
		response.writeHead(200, { 'content-length': 100 });
		response.write('half', () => response.destroy());
	});
	await t.throwsAsync(broken());
});

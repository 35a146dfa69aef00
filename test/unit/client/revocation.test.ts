/** Who is revoked is refused, also on connections that are there already; nobody else's are touched. */

import test, { type ExecutionContext } from 'ava';
import * as grpc from '@grpc/grpc-js';
import { once } from 'node:events';
import { createServer as createHttpsServer, request } from 'node:https';
import { connect as connectHttp2, createSecureServer } from 'node:http2';
import { connect, createServer, type TLSSocket } from 'node:tls';
import * as undici from 'undici';
import { revokedSerials } from '../../../client/revoked.ts';
import { createPki, revocationLists } from '../../fakes/ca.ts';
import { holder, listen, type Holder } from '../../support/mtls.ts';

const pki = await createPki();

/** Puts the list on the volume of `where`, and has its watch look. */
function revoke(where: Holder, ...serials: string[]): void {
	where.revoke(...serials);
	where.me.refresh();
}

async function connected(t: ExecutionContext, port: number, who: Holder): Promise<TLSSocket> {
	const socket = connect({ port, host: '127.0.0.1', servername: 'server', ...who.me.clientOptions() });
	t.teardown(() => socket.destroy());
	// The server has verified the client when it says something.
	await once(socket, 'data');
	return socket;
}

const gone = (socket: TLSSocket): Promise<void> => new Promise((resolve) => socket.on('error', () => {}).once('close', () => resolve()));

/** The server closes without having said anything. */
async function refused(t: ExecutionContext, port: number, who: Holder, session?: Buffer): Promise<void> {
	const socket = connect({ port, host: '127.0.0.1', servername: 'server', ...who.me.clientOptions(), ...(session && { session }) });
	t.teardown(() => socket.destroy());
	let said = '';
	socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
	await gone(socket);
	t.is(said, '');
}

test('the connection of a client that is revoked ends at once, those of others go on', async (t) => {
	const [server, good, bad] = [await holder(t, 'server', pki), await holder(t, 'good', pki), await holder(t, 'bad', pki)];
	const tlsServer = createServer(server.me.serverOptions(), (socket) => {
		socket.on('error', () => {});
		socket.write('hello');
		socket.pipe(socket);
	});
	const port = await listen(t, server.me.follow(tlsServer));
	const [one, other] = [await connected(t, port, good), await connected(t, port, bad)];
	const ended = gone(other);
	revoke(server, bad.serial);
	await ended;
	one.write('still there');
	t.is(String((await once(one, 'data'))[0]), 'still there');
	await refused(t, port, bad);
	// Another list that names nobody new ends nothing.
	revoke(server, bad.serial, '7fffffffffffffffffffffffffffffff');
	one.write('and still');
	t.is(String((await once(one, 'data'))[0]), 'and still');
});

test('a session of HTTP/2 ends with its client, in the middle of a stream', async (t) => {
	const [server, bad] = [await holder(t, 'server', pki), await holder(t, 'bad', pki)];
	const port = await listen(t, server.me.follow(createSecureServer(server.me.serverOptions(), (_, response) => void response.write('more to come'))));
	const session = connectHttp2(`https://127.0.0.1:${port}`, { ...bad.me.clientOptions(), servername: 'server' });
	t.teardown(() => session.destroy());
	const stream = session.request({ ':path': '/' });
	stream.on('error', () => {});
	session.on('error', () => {});
	await once(stream, 'data');
	const ended = once(session, 'close');
	revoke(server, bad.serial);
	await ended;
	t.true(stream.destroyed);
});

test('connections to a server that is revoked end: of the agent, of undici and of gRPC', async (t) => {
	const [server, client] = [await holder(t, 'server', pki), await holder(t, 'client', pki)];
	const port = await listen(t, server.me.follow(createHttpsServer(server.me.serverOptions(), (_, response) => void response.write('more to come'))));
	const agent = client.me.agent();
	t.teardown(() => agent.destroy());
	const dispatcher = client.me.dispatcher(undici, { peer: { commonName: 'server' } });
	t.teardown(() => dispatcher.destroy());
	const [answer] = await once(request({ port, agent, host: '127.0.0.1', servername: 'server' }).end(), 'response');
	const { body } = await dispatcher.request({ origin: `https://127.0.0.1:${port}`, path: '/', method: 'GET' });
	const grpcServer = new grpc.Server();
	const service = { wait: { path: '/test/wait', requestStream: false, responseStream: true, requestSerialize: Buffer.from, requestDeserialize: String, responseSerialize: Buffer.from, responseDeserialize: String } };
	grpcServer.addService(service as never, { wait: (call: grpc.ServerWritableStream<string, string>) => void call.write('more to come') });
	const grpcPort = await new Promise<number>((resolve, reject) => grpcServer.bindAsync('127.0.0.1:0', server.me.grpcServerCredentials(grpc), (error, bound) => (error ? reject(error) : resolve(bound))));
	t.teardown(() => grpcServer.forceShutdown());
	const Client = grpc.makeClientConstructor(service as never, 'test');
	const stub = new Client(`localhost:${grpcPort}`, client.me.grpcChannelCredentials(grpc, { peer: { commonName: 'server' } })) as unknown as { wait(text: string): grpc.ClientReadableStream<string>; close(): void };
	t.teardown(() => stub.close());
	const call = stub.wait('for it');
	await once(call, 'data');
	const ended = Promise.all([
		new Promise((resolve) => answer.resume().once('error', resolve)),
		new Promise((resolve) => body.on('error', resolve).resume()),
		new Promise<grpc.ServiceError>((resolve) => call.once('error', resolve as never)),
	]);
	revoke(client, server.serial);
	const [, , error] = await ended;
	t.is(error.code, grpc.status.UNAVAILABLE);
});

test('a server of gRPC refuses the calls of a client that was revoked while it was connected', async (t) => {
	const [server, bad] = [await holder(t, 'server', pki), await holder(t, 'bad', pki)];
	const grpcServer = new grpc.Server();
	const service = { echo: { path: '/test/echo', requestStream: false, responseStream: false, requestSerialize: Buffer.from, requestDeserialize: String, responseSerialize: Buffer.from, responseDeserialize: String } };
	let calls = 0;
	grpcServer.addService(service as never, { echo: (call: grpc.ServerUnaryCall<string, string>, callback: grpc.sendUnaryData<string>) => callback(null, `${call.request} ${++calls}`) });
	const port = await new Promise<number>((resolve, reject) => grpcServer.bindAsync('127.0.0.1:0', server.me.grpcServerCredentials(grpc), (error, bound) => (error ? reject(error) : resolve(bound))));
	t.teardown(() => grpcServer.forceShutdown());
	const Client = grpc.makeClientConstructor(service as never, 'test');
	const stub = new Client(`localhost:${port}`, bad.me.grpcChannelCredentials(grpc, { peer: { commonName: 'server' } })) as unknown as { echo(text: string, callback: (error: grpc.ServiceError | null, answer: string) => void): void; close(): void };
	t.teardown(() => stub.close());
	const echo = (): Promise<string> => new Promise((resolve, reject) => stub.echo('hello', (error, answer) => (error ? reject(error) : resolve(answer))));
	t.is(await echo(), 'hello 1');
	revoke(server, bad.serial);
	await t.throwsAsync(echo(), { message: /revoked/ });
	t.is(calls, 1);
});

test('a session that was there before is not resumed by whoever was revoked since', async (t) => {
	const [server, bad] = [await holder(t, 'server', pki), await holder(t, 'bad', pki)];
	const port = await listen(t, server.me.follow(createServer(server.me.serverOptions(), (socket) => {
		socket.on('error', () => {});
		socket.write('hello');
	})));
	const first = connect({ port, host: '127.0.0.1', servername: 'server', ...bad.me.clientOptions() });
	t.teardown(() => first.destroy());
	let session: Buffer | undefined;
	first.on('session', (one) => (session = one));
	await once(first, 'data');
	const ended = gone(first);
	revoke(server, bad.serial);
	await ended;
	await refused(t, port, bad, session);
});

test('serials of every list are read, and what is no list is told', (t) => {
	const serials = ['4a'.repeat(16), '7b'.repeat(16)];
	t.deepEqual([...revokedSerials(revocationLists(pki, serials))], serials);
	t.deepEqual([...revokedSerials(revocationLists(pki))], []);
	for (const text of ['', 'nothing', revocationLists(pki).slice(0, -60), pki.bundle.toString()]) t.throws(() => revokedSerials(text), { code: 'certificate-invalid' });
});

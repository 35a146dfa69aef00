/** Servers and clients follow hundreds of rotations under continuous requests: not one request fails. */

import test, { type ExecutionContext } from 'ava';
import * as grpc from '@grpc/grpc-js';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2, createSecureServer, type ClientHttp2Session, type Http2ServerRequest } from 'node:http2';
import { createServer, request, type RequestOptions } from 'node:https';
import * as undici from 'undici';
import { peerIdentity } from '../../../client/peer.ts';
import { createPki } from '../../fakes/ca.ts';
import { holder, listen, meanwhile, type Holder } from '../../support/mtls.ts';

const pki = await createPki();
const ROUNDS = 50;

/** Both ends in turns; after each round there are answers to requests that began later, which know the new certificates. */
const rotateBoth = (t: ExecutionContext, server: Holder, client: Holder, seen: { readonly servers?: ReadonlySet<string>; readonly clients: ReadonlySet<string> }) => async (answeredSince: () => Promise<void>): Promise<void> => {
	for (let round = 0; round < ROUNDS; round++) {
		await server.next();
		await client.next();
		await answeredSince();
		t.true(seen.clients.has(client.serial), 'the new certificate of the client is used');
		if (seen.servers) t.true(seen.servers.has(server.serial), 'the new certificate of the server is used');
	}
};

function get(options: RequestOptions): Promise<{ body: string; serverSerial: string }> {
	return new Promise((resolve, reject) => {
		const outgoing = request({ host: '127.0.0.1', servername: 'server', ...options }, (answer) => {
			const serverSerial = peerIdentity(answer.socket).serial;
			let body = '';
			answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
			answer.on('end', () => resolve({ body, serverSerial })).on('error', reject);
		});
		outgoing.on('error', reject).end();
	});
}

for (const keepAlive of [true, false]) {
	test.serial(`https.Server and https.Agent: no request fails, ${keepAlive ? 'with kept connections' : 'with a connection for each request'}`, async (t) => {
		t.timeout(180_000);
		const [server, client] = [await holder(t, 'server', pki), await holder(t, 'client', pki)];
		const port = await listen(t, server.me.follow(createServer(server.me.serverOptions(), (incoming, response) => response.end(peerIdentity(incoming).serial))));
		const agent = client.me.agent({ keepAlive });
		t.teardown(() => agent.destroy());
		const [servers, clients] = [new Set<string>(), new Set<string>()];
		await meanwhile(async () => {
			const { body, serverSerial } = await get({ port, agent });
			servers.add(serverSerial);
			clients.add(body);
		}, rotateBoth(t, server, client, { servers, clients }));
		const last = await get({ port, agent });
		t.deepEqual([last.serverSerial, last.body], [server.serial, client.serial]);
	});
}

test.serial('http2: no request fails', async (t) => {
	t.timeout(180_000);
	const [server, client] = [await holder(t, 'server', pki), await holder(t, 'client', pki)];
	const port = await listen(t, server.me.follow(createSecureServer(server.me.serverOptions(), (incoming, response) => void response.end(peerIdentity(incoming).serial))));
	let session: ClientHttp2Session | undefined;
	// What is under way ends on the session that it is on; what comes next is on another one.
	client.me.on('change', () => (session = undefined));
	const open = (): ClientHttp2Session => {
		const opened = connectHttp2(`https://127.0.0.1:${port}`, { ...client.me.clientOptions(), servername: 'server' });
		t.teardown(() => opened.destroy());
		return opened;
	};
	const clients = new Set<string>();
	const call = async (): Promise<void> => {
		session ??= open();
		const stream = session.request({ ':path': '/' });
		let body = '';
		stream.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
		stream.end();
		await new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject));
		clients.add(body);
	};
	await meanwhile(call, rotateBoth(t, server, client, { clients }));
});

for (const protocol of ['HTTP/1.1', 'HTTP/2']) {
	test.serial(`undici: no request fails, by ${protocol}`, async (t) => {
		t.timeout(180_000);
		const [server, client] = [await holder(t, 'server', pki), await holder(t, 'client', pki)];
		const versions = new Set<string>();
		const answer = (incoming: IncomingMessage | Http2ServerRequest, response: { end(body: string): void }): void => {
			versions.add(`HTTP/${incoming.httpVersion}`);
			response.end(peerIdentity(incoming).serial);
		};
		const options = server.me.serverOptions();
		const port = await listen(t, server.me.follow(protocol === 'HTTP/2' ? createSecureServer(options, answer) : createServer(options, answer)));
		const dispatcher = client.me.dispatcher(undici, { peer: { commonName: 'server' } });
		t.teardown(() => dispatcher.destroy());
		const clients = new Set<string>();
		const url = `https://127.0.0.1:${port}`;
		const call = async (): Promise<void> => void clients.add(await (await dispatcher.request({ origin: url, path: '/', method: 'GET' })).body.text());
		await meanwhile(call, rotateBoth(t, server, client, { clients }));
		t.deepEqual([...versions], [protocol === 'HTTP/2' ? 'HTTP/2.0' : protocol]);
		t.is(await (await undici.fetch(url, { dispatcher })).text(), client.serial);
		// The fetch that Node has built in takes it too.
		t.is(await (await fetch(url, { dispatcher } as object)).text(), client.serial);
	});
}

test.serial('undici: a dispatcher that is destroyed ends what is under way, also from before a rotation', async (t) => {
	const [server, client] = [await holder(t, 'server', pki), await holder(t, 'client', pki)];
	const waiting = { count: 0, wake: (): void => {} };
	const port = await listen(t, server.me.follow(createServer(server.me.serverOptions(), () => {
		waiting.count++;
		waiting.wake();
	})));
	const dispatcher = client.me.dispatcher(undici, { peer: { commonName: 'server' }, agent: { connections: 2 } });
	const ask = () => t.throwsAsync(dispatcher.request({ origin: `https://127.0.0.1:${port}`, path: '/', method: 'GET' }));
	const arrived = (count: number) => new Promise<void>((resolve) => (waiting.wake = () => waiting.count >= count && resolve()));
	// Two are under way, and one waits for a connection.
	const first = arrived(2);
	const asked = [ask(), ask(), ask()];
	await first;
	await client.next();
	const second = arrived(4);
	asked.push(ask(), ask());
	await second;
	await dispatcher.destroy();
	await Promise.all(asked);
	await dispatcher.destroy();
	t.is(waiting.count, 4);
});

const ECHO = {
	echo: {
		path: '/test/echo', requestStream: false, responseStream: false,
		requestSerialize: (text: string) => Buffer.from(text), requestDeserialize: String,
		responseSerialize: (text: string) => Buffer.from(text), responseDeserialize: String,
	},
} as const;

interface Stub {
	echo(text: string, callback: (error: Error | null, answer: string) => void): void;
	close(): void;
}

test.serial('gRPC: no call fails, neither on a channel that stays nor on new ones', async (t) => {
	t.timeout(180_000);
	const [server, client] = [await holder(t, 'server', pki), await holder(t, 'client', pki)];
	const grpcServer = new grpc.Server();
	grpcServer.addService(ECHO, { echo: (call: grpc.ServerUnaryCall<string, string>, callback: grpc.sendUnaryData<string>) => callback(null, peerIdentity(call).serial) });
	const port = await new Promise<number>((resolve, reject) => grpcServer.bindAsync('127.0.0.1:0', server.me.grpcServerCredentials(grpc), (error, bound) => (error ? reject(error) : resolve(bound))));
	t.teardown(() => grpcServer.forceShutdown());
	const Client = grpc.makeClientConstructor(ECHO, 'test');
	const credentials = client.me.grpcChannelCredentials(grpc, { peer: { organizationalUnit: 'web-api', commonName: 'server' } });
	// Channels of the same credentials would share the connection.
	const open = () => new Client(`localhost:${port}`, credentials, { 'grpc.use_local_subchannel_pool': 1 }) as unknown as Stub;
	const ask = (stub: Stub): Promise<string> => new Promise((resolve, reject) => stub.echo('who am I', (error, answer) => (error ? reject(error) : resolve(answer))));
	const lasting = open();
	t.teardown(() => lasting.close());
	const clients = new Set<string>();
	const call = async (): Promise<void> => {
		await ask(lasting);
		const stub = open();
		clients.add(await ask(stub));
		stub.close();
	};
	const first = await ask(lasting);
	await meanwhile(call, rotateBoth(t, server, client, { clients }));
	t.is(await ask(lasting), first);
});

import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync, watch, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { silentLogger } from '#common/runtime/log.ts';
import { openRelay, RELAY_LIMITS, type RelayLimits } from '../../../../plugin/volume/relay.ts';
import { createRelayPool } from '../../../../plugin/volume/relay-pool.ts';

/** A relay in a fresh directory to a server whose connections `serve` gets. */
async function relayed(t: ExecutionContext, serve: (socket: Socket) => void, limits: Partial<RelayLimits> = {}) {
	const made = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => made.removeCallback());
	const server = createServer({ allowHalfOpen: true }, serve).listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => server.close());
	const { port } = server.address() as AddressInfo;
	const relay = await openRelay({ targets: () => [{ host: '127.0.0.1', port }], pool: createRelayPool(), logger: silentLogger, limits: { ...RELAY_LIMITS, ...limits } }, made.name);
	t.teardown(() => relay.close());
	const path = join(made.name, 'ca.sock');
	return { relay, path, directory: made.name, port, open: () => connect(path) };
}

/** Resolves when it is closed, by an error or without. */
const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve).resume());
const echo = (socket: Socket): void => void socket.on('error', () => undefined).pipe(socket);

test('bytes pass both ways, and the end of one way leaves the other open', async (t) => {
	const { path } = await relayed(t, (socket) => {
		let received = 0;
		socket.on('data', (chunk: Buffer) => (received += chunk.length));
		socket.on('end', () => socket.end(`got ${received}`));
	});
	const client = connect({ path, allowHalfOpen: true });
	client.end('x'.repeat(300_000));
	t.is(await text(client), 'got 300000');
});

test('everybody who reaches the directory may connect', async (t) => {
	const { path } = await relayed(t, echo);
	t.is(lstatSync(path).mode & 0o777, 0o666);
	t.true(lstatSync(path).isSocket());
});

test('a socket left by an earlier process is replaced, a link in its place as well', async (t) => {
	const first = await relayed(t, echo);
	await first.relay.close();
	const elsewhere = join(first.directory, 'elsewhere');
	writeFileSync(elsewhere, 'precious', { mode: 0o600 });
	symlinkSync(elsewhere, first.path);
	const second = await openRelay({ targets: () => [{ host: '127.0.0.1', port: first.port }], pool: createRelayPool(), logger: silentLogger }, first.directory);
	t.teardown(() => second.close());
	t.is(lstatSync(elsewhere).mode & 0o777, 0o600);
	const client = connect(first.path);
	client.end('hello');
	t.is(await text(client), 'hello');
});

test('of several instances the first that accepts is connected', async (t) => {
	const { directory, relay, port } = await relayed(t, echo);
	await relay.close();
	const nobody = { host: '127.0.0.1', port: 1 };
	let targets = [nobody, { host: '127.0.0.1', port }, nobody];
	const several = await openRelay({ targets: () => targets, pool: createRelayPool(), logger: silentLogger }, directory);
	t.teardown(() => several.close());
	const client = connect(join(directory, 'ca.sock'));
	client.end('hello');
	t.is(await text(client), 'hello');
	for (targets of [[nobody, nobody], []]) await closed(connect(join(directory, 'ca.sock')));
});

test('an instance that does not accept is not waited for longer than the agent waits', async (t) => {
	const { directory, relay, port } = await relayed(t, echo);
	await relay.close();
	// An address that nobody has (RFC 5737): unreachable at once, or silent.
	const several = await openRelay({ targets: () => [{ host: '192.0.2.1', port: 9 }, { host: '127.0.0.1', port }], pool: createRelayPool(), logger: silentLogger }, directory);
	t.teardown(() => several.close());
	const client = connect(join(directory, 'ca.sock'));
	client.end('hello');
	t.is(await text(client), 'hello');
});

test('a client that leaves while the relay looks for an instance, and a relay that closes then, leave nothing open', async (t) => {
	const { directory, relay, port } = await relayed(t, () => t.fail());
	await relay.close();
	const several = await openRelay({ targets: () => [{ host: '192.0.2.1', port: 9 }, { host: '127.0.0.1', port }], pool: createRelayPool(), logger: silentLogger }, directory);
	const client = connect(join(directory, 'ca.sock'));
	await once(client, 'connect');
	const gone = closed(client);
	await several.close();
	await gone;
	t.false(existsSync(join(directory, 'ca.sock')));
});

test('a directory in the place of the socket is an error', async (t) => {
	const { relay, path, directory, port } = await relayed(t, echo);
	await relay.close();
	mkdirSync(path);
	await t.throwsAsync(openRelay({ targets: () => [{ host: '127.0.0.1', port }], pool: createRelayPool(), logger: silentLogger }, directory));
});

test('more connections than allowed are cut, and room is made when one ends', async (t) => {
	const { open } = await relayed(t, echo, { connections: 1 });
	const first = open();
	first.write('a');
	await once(first, 'data');
	const second = open();
	second.write('b');
	await closed(second);
	first.end();
	await closed(first);
	const third = open();
	third.end('c');
	t.is(await text(third), 'c');
});

test('a connection on which nothing moves is cut', async (t) => {
	const upstream: Promise<unknown>[] = [];
	const { open } = await relayed(t, (socket) => void upstream.push(once(socket.resume(), 'end')), { idleMs: 20 });
	await closed(open());
	t.is(upstream.length, 1);
	await upstream[0];
});

test('a connection that moves too much is cut', async (t) => {
	const { open } = await relayed(t, echo, { bytes: 1000 });
	const client = open();
	client.write('x'.repeat(5000));
	await closed(client);
	t.true(client.bytesRead < 5000, 'the echo does not come back whole');
});

test('a CA that is away cuts the connection', async (t) => {
	const { open, relay } = await relayed(t, (socket) => socket.resetAndDestroy());
	const client = open();
	await closed(client);
	t.truthy(relay);
});

test('closing cuts connections and removes the socket', async (t) => {
	const { open, relay, path } = await relayed(t, echo);
	const client = open();
	client.write('a');
	await once(client, 'data');
	const end = closed(client);
	await relay.close();
	await end;
	t.false(existsSync(path));
});

/** Resolves when there is a socket again. */
async function listening(directory: string): Promise<void> {
	const watcher = watch(directory);
	try {
		while (!lstatSync(join(directory, 'ca.sock'), { throwIfNoEntry: false })?.isSocket()) await once(watcher, 'change');
	} finally {
		watcher.close();
	}
}

test('who connects in a loop is not listened to for a while; what is open stays open', async (t) => {
	const { open, path, directory } = await relayed(t, echo, { connectionRate: { burst: 2, perSecond: 5 }, restMs: 400 });
	const kept = open();
	kept.write('a');
	await once(kept, 'data');
	while (existsSync(path)) await Promise.all(Array.from({ length: 20 }, () => closed(open().end())));
	kept.write('b');
	t.is(String((await once(kept, 'data'))[0]), 'b');
	await listening(directory);
	const again = open();
	again.end('c');
	t.is(await text(again), 'c');
});

test('what a container puts in the place of the socket keeps out itself, until it is gone', async (t) => {
	const { open, path, directory } = await relayed(t, echo, { connectionRate: { burst: 1, perSecond: 1 }, restMs: 5 });
	while (existsSync(path)) await Promise.all(Array.from({ length: 20 }, () => closed(open().end())));
	mkdirSync(path);
	writeFileSync(join(path, 'x'), '');
	t.false(lstatSync(path).isSocket());
	rmSync(path, { recursive: true });
	await listening(directory);
	t.true(lstatSync(path).isSocket());
});

test('all connections of a container together have so many bytes over time', async (t) => {
	const { open } = await relayed(t, echo, { byteRate: { burst: 1000, perSecond: 0 } });
	const first = open();
	first.end('x'.repeat(400));
	t.is((await text(first)).length, 400, 'there and back');
	const second = open();
	second.write('x'.repeat(400));
	await closed(second);
	t.true(second.bytesRead < 400);
});

test('whatever is asked for, it is the CA that is asked', async (t) => {
	const received: string[] = [];
	const { open } = await relayed(t, (socket) => void socket.once('data', (chunk: Buffer) => (received.push(chunk.toString()), socket.end())));
	const requests = ['CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n', 'GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n', '\u0005\u0001\u0000', 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n'];
	for (const request of requests) await closed(open().end(request));
	t.deepEqual(received, requests);
});

test('addresses of the CA that change hold for the next connection', async (t) => {
	const { directory, relay } = await relayed(t, echo);
	await relay.close();
	const [one, other] = await Promise.all(['one', 'other'].map(async (name) => {
		const server = createServer((socket) => void socket.end(name)).listen(0, '127.0.0.1');
		await once(server, 'listening');
		t.teardown(() => server.close());
		return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
	}));
	let targets = [one!];
	const changing = await openRelay({ targets: () => targets, pool: createRelayPool(), logger: silentLogger }, directory);
	t.teardown(() => changing.close());
	t.is(await text(connect(join(directory, 'ca.sock'))), 'one');
	targets = [other!];
	t.is(await text(connect(join(directory, 'ca.sock'))), 'other');
});

test('a connection that is cut to make room for another one, while it is made, leaves nothing open at the CA', async (t) => {
	let reached = (_ended: Promise<unknown>): void => undefined;
	const atCa = new Promise<unknown>((resolve) => (reached = resolve));
	const { directory, relay, port } = await relayed(t, (socket) => reached(once(socket.resume(), 'end')));
	await relay.close();
	const open = new Set<Socket>();
	// Before the instance has accepted: as if others needed the room at this moment.
	const targets = () => (setImmediate(() => open.forEach((client) => client.destroy())), [{ host: '127.0.0.1', port }]);
	const pool = { makeRoom: () => undefined, join: () => open, leave: () => undefined };
	const crowded = await openRelay({ targets, pool, logger: silentLogger }, directory);
	t.teardown(() => crowded.close());
	await closed(connect(join(directory, 'ca.sock')));
	await atCa;
	t.is(open.size, 0);
});

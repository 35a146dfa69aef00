import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { silentLogger } from '#common/runtime/log.ts';
import { openRelay, RELAY_LIMITS, type RelayLimits } from '../../../../plugin/volume/relay.ts';

/** A relay in a fresh directory to a server whose connections `serve` gets. */
async function relayed(t: ExecutionContext, serve: (socket: Socket) => void, limits: Partial<RelayLimits> = {}) {
	const made = tmp.dirSync({ unsafeCleanup: true });
	t.teardown(() => made.removeCallback());
	const server = createServer({ allowHalfOpen: true }, serve).listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => server.close());
	const { port } = server.address() as AddressInfo;
	const relay = await openRelay({ targets: () => [{ host: '127.0.0.1', port }], logger: silentLogger, limits: { ...RELAY_LIMITS, ...limits } }, made.name);
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
	const second = await openRelay({ targets: () => [{ host: '127.0.0.1', port: first.port }], logger: silentLogger }, first.directory);
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
	const several = await openRelay({ targets: () => targets, logger: silentLogger }, directory);
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
	const several = await openRelay({ targets: () => [{ host: '192.0.2.1', port: 9 }, { host: '127.0.0.1', port }], logger: silentLogger }, directory);
	t.teardown(() => several.close());
	const client = connect(join(directory, 'ca.sock'));
	client.end('hello');
	t.is(await text(client), 'hello');
});

test('a client that leaves while the relay looks for an instance, and a relay that closes then, leave nothing open', async (t) => {
	const { directory, relay, port } = await relayed(t, () => t.fail());
	await relay.close();
	const several = await openRelay({ targets: () => [{ host: '192.0.2.1', port: 9 }, { host: '127.0.0.1', port }], logger: silentLogger }, directory);
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
	await t.throwsAsync(openRelay({ targets: () => [{ host: '127.0.0.1', port }], logger: silentLogger }, directory));
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

import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { silentLogger } from '#common/runtime/log.ts';
import { encodeAnswer } from '../../../../plugin/wire/answer.ts';
import { serveConnection, type Answerer } from '../../../../plugin/wire/connection.ts';

const OK = encodeAnswer(200, {});

async function connected(t: ExecutionContext, answer: Answerer, logger = silentLogger): Promise<Socket> {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	const server = createServer((socket) => serveConnection(socket, answer, logger));
	const path = join(directory.name, 's');
	await new Promise<void>((resolve) => server.listen(path, resolve));
	const socket = connect({ path, allowHalfOpen: true });
	t.teardown(() => {
		socket.destroy();
		server.close();
		directory.removeCallback();
	});
	await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
	return socket;
}

const call = (body = ''): string => `POST /x HTTP/1.1\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const next = (socket: Socket): Promise<string> => new Promise((resolve) => socket.once('data', (bytes: Buffer) => resolve(bytes.toString())));

test('one connection takes call after call, whether the answer is known at once or later', async (t) => {
	const socket = await connected(t, ({ body }) => (body.length > 0 ? Promise.resolve(encodeAnswer(200, { length: body.length })) : OK));
	for (const [body, expected] of [['', '{}'], ['four', '{"length":4}'], ['', '{}']] as const) {
		const answer = next(socket);
		socket.write(call(body));
		t.regex(await answer, new RegExp(`^HTTP/1\\.1 200 OK\\r\\n[^]*\\r\\nContent-Length: ${expected.length}\\r\\n\\r\\n${expected.replace(/[{}]/g, '\\$&')}$`));
	}
});

test('an answer that fails is a 500 without detail, and the connection goes on', async (t) => {
	const fail: readonly Answerer[] = [() => Promise.reject(new Error('secret detail')), () => { throw new Error('secret detail'); }];
	for (const answer of fail) {
		const socket = await connected(t, answer);
		for (let i = 0; i < 2; i++) {
			const answered = next(socket);
			socket.write(call());
			const text = await answered;
			t.regex(text, /^HTTP\/1\.1 500 .*"Allow":false/s);
			t.notRegex(text, /secret/);
		}
	}
});

test('what is no call gets a 400, too long a body a 413, and the connection ends', async (t) => {
	for (const [bytes, status] of [['GET\r\n\r\n', 400], [call() + call(), 400], ['POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n', 413]] as const) {
		const socket = await connected(t, () => OK);
		socket.write(bytes);
		t.regex((await buffer(socket)).toString(), new RegExp(`^HTTP/1\\.1 ${status} `));
	}
});

test('who asks again before the answer is cut off, and his answer harms nobody', async (t) => {
	let release: (bytes: Buffer) => void = () => {};
	const asked = Promise.withResolvers<void>();
	const socket = await connected(t, () => {
		asked.resolve();
		return new Promise((resolve) => (release = resolve));
	});
	socket.write(call());
	await asked.promise;
	socket.write(call());
	t.is((await buffer(socket)).length, 0);
	t.notThrows(() => release(OK));
});

test('what follows something that was no call is not read, however much it is', async (t) => {
	let errors = 0;
	const socket = await connected(t, () => fail(t), { ...silentLogger, error: () => errors++ });
	const answered = next(socket);
	socket.write('POST /x HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n');
	t.regex(await answered, /^HTTP\/1\.1 413 /);
	for (let i = 0; i < 10; i++) {
		t.is(await new Promise<Error | null | undefined>((resolve) => socket.write(Buffer.alloc(1024 * 1024), resolve)) ?? null, null);
	}
	const closed = new Promise((resolve) => socket.once('close', resolve));
	socket.end(call());
	await closed;
	t.is(errors, 1);
});

function fail(t: ExecutionContext): never {
	t.fail();
	throw new Error('nothing was asked');
}

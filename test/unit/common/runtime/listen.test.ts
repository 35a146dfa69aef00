/** Sockets: who may connect, what is replaced and what is not, and that failures are told. */

import test from 'ava';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { closeServer, listenTcp, listenUnix } from '#common/runtime/listen.ts';
import { temporaryFolder } from '../../../support/ca.ts';

function newServer(t: { teardown(clean: () => unknown): void }): Server {
	const server = createServer((socket) => socket.on('error', () => {}).end('hello'));
	t.teardown(() => server.close());
	return server;
}

async function answerOf(target: { path: string } | { port: number; host: string }): Promise<string> {
	let text = '';
	for await (const chunk of connect(target)) text += String(chunk);
	return text;
}

for (const mode of [0o600, 0o660, 0o666, 0o777]) {
	test(`a socket has mode ${mode.toString(8)} as soon as it is there, and the umask is as before`, async (t) => {
		const path = join(temporaryFolder(t), 'socket');
		const before = process.umask();
		const listening = listenUnix(newServer(t), path, mode);
		// Bound already, though not announced yet.
		t.is(statSync(path).mode & 0o777, mode);
		t.is(process.umask(), before);
		await listening;
		t.is(statSync(path).mode & 0o777, mode);
		t.is(await answerOf({ path }), 'hello');
	});
}

test('a socket that an earlier process left is replaced', async (t) => {
	const path = join(temporaryFolder(t), 'socket');
	const script = 'require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
	const [, signal] = await once(spawn(process.execPath, ['-e', script, path], { stdio: 'inherit' }), 'exit');
	t.is(signal, 'SIGKILL');
	t.true(lstatSync(path).isSocket());
	await listenUnix(newServer(t), path, 0o600);
	t.is(await answerOf({ path }), 'hello');
});

test('a file or a link in the socket\'s place stays as it is, and listening fails', async (t) => {
	const folder = temporaryFolder(t);
	writeFileSync(join(folder, 'file'), 'precious', { mode: 0o600 });
	symlinkSync('file', join(folder, 'link'));
	symlinkSync('nowhere', join(folder, 'dangling'));
	const before = process.umask();
	for (const name of ['file', 'link', 'dangling']) await t.throwsAsync(listenUnix(newServer(t), join(folder, name), 0o666), { code: 'EADDRINUSE' });
	t.is(readFileSync(join(folder, 'file'), 'utf8'), 'precious');
	t.is(statSync(join(folder, 'file')).mode & 0o777, 0o600);
	t.true(lstatSync(join(folder, 'link')).isSymbolicLink());
	t.is(process.umask(), before);
});

test('where no socket can be made the caller is told, and the umask is as before', async (t) => {
	const folder = temporaryFolder(t);
	const before = process.umask();
	await t.throwsAsync(listenUnix(newServer(t), join(folder, 'missing/socket'), 0o600));
	await t.throwsAsync(listenUnix(newServer(t), join(folder, 'a'.repeat(200)), 0o600));
	t.is(process.umask(), before);
});

test('port 0 becomes the port that the system chose; one that is taken is refused', async (t) => {
	const { port, address } = await listenTcp(newServer(t), 0, '127.0.0.1');
	t.true(port > 0);
	t.is(address, '127.0.0.1');
	t.is(await answerOf({ port, host: '127.0.0.1' }), 'hello');
	await t.throwsAsync(listenTcp(newServer(t), port, '127.0.0.1'), { code: 'EADDRINUSE' });
});

test('closing waits for connections to end, and a closed server says so', async (t) => {
	const server = createServer((socket) => socket.on('data', () => socket.end()));
	const { port } = await listenTcp(server, 0, '127.0.0.1');
	const client = connect(port, '127.0.0.1');
	await Promise.all([once(client, 'connect'), once(server, 'connection')]);
	let isClosed = false;
	const closing = closeServer(server).then(() => void (isClosed = true));
	await new Promise(setImmediate);
	t.false(isClosed);
	client.resume().write('bye');
	await once(client, 'close');
	await closing;
	t.true(isClosed);
	await t.throwsAsync(closeServer(server), { code: 'ERR_SERVER_NOT_RUNNING' });
});

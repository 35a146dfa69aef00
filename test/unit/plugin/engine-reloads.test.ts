import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { followReloads } from '../../../plugin/engine-reloads.ts';
import { temporaryFolder } from '../../support/ca.ts';

/** An engine that a test lets answer. */
async function engine(t: ExecutionContext) {
	const socketPath = join(temporaryFolder(t), 'docker.sock');
	const server = createServer().listen(socketPath);
	await once(server, 'listening');
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	const closing = new AbortController();
	const told: string[] = [];
	let heard = (): void => undefined;
	const tell = (what: string) => () => {
		told.push(what);
		heard();
	};
	const ended = followReloads({ socketPath, headers: { 'X-Birthmark-Key': 'secret' } }, { onBegin: tell('begin'), onReload: tell('reload') }, closing.signal);
	ended.catch(() => undefined);
	const [request, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
	return { ended, told, closing, request, response, next: () => new Promise<void>((resolve) => (heard = resolve)) };
}

test('the engine is asked for reloads only, from a moment ago, as a call of our own', async (t) => {
	const { request } = await engine(t);
	const url = new URL(request.url!, 'http://docker');
	t.is(url.pathname, '/events');
	t.deepEqual(JSON.parse(url.searchParams.get('filters')!), { type: ['daemon'], event: ['reload'] });
	const age = Date.now() / 1000 - Number(url.searchParams.get('since'));
	t.true(age >= 2 && age < 60, `${age}`);
	t.is(request.headers['x-birthmark-key'], 'secret');
});

test('it begins when the engine has answered, tells each reload, and ends with the connection', async (t) => {
	const { ended, told, response, next } = await engine(t);
	const begun = next();
	response.flushHeaders();
	await begun;
	t.deepEqual(told, ['begin']);
	for (const action of ['reload', 'reload']) {
		const told = next();
		response.write(JSON.stringify({ Type: 'daemon', Action: action }) + '\n');
		await told;
	}
	t.deepEqual(told, ['begin', 'reload', 'reload']);
	response.end();
	await ended;
});

test('a connection that breaks off is over', async (t) => {
	const { ended, told, response, next } = await engine(t);
	const begun = next();
	response.flushHeaders();
	await begun;
	response.destroy();
	await ended;
	t.deepEqual(told, ['begin']);
});

test('an engine that refuses, or is not waited for any more, is an error', async (t) => {
	const refused = await engine(t);
	refused.response.writeHead(403).end('{}');
	await t.throwsAsync(refused.ended, { message: /403/ });
	t.deepEqual(refused.told, []);

	const closed = await engine(t);
	closed.closing.abort();
	await t.throwsAsync(closed.ended, { name: 'AbortError' });
});

/** The public listener: plain HTTP, and only for what is signed in itself. */

import test from 'ava';
import { connect } from 'node:net';
import { once } from 'node:events';
import { createRoutes, type RoutesDeps } from '../../../../ca/http/routes.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { startCa } from '../../../support/ca.ts';

const PUBLIC_HTTP = { host: '127.0.0.1', port: 0 };

test('the public listener serves what is signed in itself, and knows no other route', async (t) => {
	const ca = await startCa(t, { config: { publicHttp: PUBLIC_HTTP } });
	const list = await fetch(`${ca.publicUrl}/v1/crl`);
	t.is(list.status, 200);
	t.is(list.headers.get('content-type'), 'application/pkix-crl');
	t.deepEqual(Buffer.from(await list.arrayBuffer()), (await ca.request('GET', '/v1/crl')).body);
	for (const { method, path, isPublic } of createRoutes({ logger: silentLogger } as unknown as RoutesDeps)) {
		if (isPublic) continue;
		const answer = await fetch(ca.publicUrl + path, { method, ...(method !== 'GET' && { body: '{}' }) });
		t.is(answer.status, 404, `${method} ${path}`);
	}
});

test('nothing public asks who the caller is', (t) => {
	const routes = createRoutes({ logger: silentLogger } as unknown as RoutesDeps).filter((route) => route.isPublic);
	t.true(routes.length > 0);
	for (const { roles, path } of routes) t.deepEqual(roles, ['anonymous'], path);
});

test('there is no public listener unless it is asked for', async (t) => {
	t.is((await startCa(t)).publicUrl, '');
});

test('the public listener ends with the CA, also for whoever keeps a connection open', async (t) => {
	const ca = await startCa(t, { config: { publicHttp: PUBLIC_HTTP } });
	const socket = connect(Number(new URL(ca.publicUrl).port), '127.0.0.1');
	t.teardown(() => socket.destroy());
	socket.write('GET /v1/crl HTTP/1.1\r\nHost: x\r\n\r\n');
	await once(socket, 'data');
	socket.resume();
	const ended = once(socket, 'close');
	await ca.close();
	await ended;
	await t.throwsAsync(fetch(`${ca.publicUrl}/v1/crl`));
});

/** How a CA starts and stops: all or nothing, and nobody is cut off in the middle of a request. */

import test from 'ava';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import { startCa, temporaryFolder, type Credentials, type TestCa } from '../../support/ca.ts';

async function open(ca: TestCa, credentials: Credentials): Promise<TLSSocket> {
	const socket = connect({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: CA_SERVER_NAME, ...credentials });
	socket.on('error', () => undefined);
	await once(socket, 'secureConnect');
	return socket;
}

test('a CA that stops answers the requests that are under way, and then nobody', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const idle = await open(ca, node);
	const busy = await open(ca, node);
	const body = JSON.stringify({ commonName: 'web01', organizationalUnit: 'web', dnsNames: [], image: 'x', containerId: 'a'.repeat(64) });
	busy.write(`POST /v1/authorize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`);
	t.regex(String((await once(busy, 'data'))[0]), /^HTTP\/1.1 100 /);
	const idleIsClosed = once(idle.resume(), 'close');
	const stopped = ca.close();
	await idleIsClosed;
	await t.throwsAsync(ca.request('GET', '/healthz'), { code: 'ECONNREFUSED' });
	const answered = once(busy, 'data');
	busy.write(body);
	t.regex(String((await answered)[0]), /^HTTP\/1.1 201 /);
	await stopped;

	const again = await startCa(t, { state: ca.state });
	const { records } = (await again.admin('GET', '/v1/audit')).json<{ records: { action: string }[] }>();
	t.true(records.some(({ action }) => action === 'authorization.create'));
});

test('a CA that cannot listen leaves nothing open behind it', async (t) => {
	const other = await startCa(t);
	const state = join(temporaryFolder(t), 'state');
	const listen = { host: '127.0.0.1', port: other.port };
	await t.throwsAsync(startCa(t, { state, config: { listen } }), { code: 'config-invalid' });
	const file = join(state, 'config.json');
	writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')) as object, listen: { ...listen, port: 0 } }));
	const ca = await startCa(t, { state });
	t.is((await ca.request('GET', '/readyz')).status, 200);
});

import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { createPluginServer, type PluginServerDeps } from '../../../plugin/server.ts';

async function served(t: ExecutionContext, overrides: Partial<PluginServerDeps> = {}) {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	const server = createPluginServer({
		passes: { request: () => false, response: () => false },
		authorizeRequest: async () => ({ Allow: true }),
		authorizeResponse: async () => ({ Allow: true }),
		volumeDriver: {
			'VolumeDriver.Echo': async (given) => ({ given }),
			'VolumeDriver.Refuse': () => Promise.reject(new BirthmarkError('volume-unknown', 'there is\nno such volume')),
			'VolumeDriver.Break': () => Promise.reject(new Error('secret detail')),
		},
		logger: silentLogger,
		...overrides,
	});
	const socketPath = join(directory.name, 's');
	await server.listen(socketPath);
	t.teardown(async () => {
		await server.close();
		directory.removeCallback();
	});
	return (path: string, body = '', method = 'POST') =>
		new Promise<{ status: number; value: Record<string, unknown> }>((resolve, reject) => {
			const call = request({ socketPath, path, method, headers: { 'content-length': Buffer.byteLength(body) } }, (answer) => void text(answer).then((body) => resolve({ status: answer.statusCode!, value: JSON.parse(body) as Record<string, unknown> }), reject));
			call.on('error', reject);
			call.end(body);
		});
}

const info = JSON.stringify({ RequestMethod: 'GET', RequestUri: '/info' });

test('it is a volume driver and an authorization plugin', async (t) => {
	const call = await served(t);
	t.deepEqual(await call('/Plugin.Activate'), { status: 200, value: { Implements: ['VolumeDriver', 'authz'] } });
});

test('the engine has seen it when a connection ended on which it said nothing, not when it asked', async (t) => {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	const path = join(directory.name, 's');
	const server = createPluginServer({ passes: { request: () => true, response: () => true }, authorizeRequest: async () => ({ Allow: true }), authorizeResponse: async () => ({ Allow: true }), volumeDriver: {}, logger: silentLogger });
	await server.listen(path);
	t.teardown(async () => {
		await server.close();
		directory.removeCallback();
	});
	const asking = connect(path).end('POST /Plugin.Activate HTTP/1.1\r\nHost: p\r\nContent-Length: 0\r\n\r\n').resume();
	await once(asking, 'close');
	t.false(server.isSeen());
	connect(path).end();
	await server.seen;
	t.true(server.isSeen());
});

test('verdicts are passed on', async (t) => {
	const call = await served(t, { authorizeRequest: async () => ({ Allow: false, Msg: 'no' }) });
	t.deepEqual((await call('/AuthZPlugin.AuthZReq', info)).value, { Allow: false, Msg: 'no' });
	t.deepEqual((await call('/AuthZPlugin.AuthZRes', info)).value, { Allow: true });
});

for (const [what, body] of [['empty', ''], ['an empty object', '{}'], ['garbage', '{{'], ['null', 'null']] as const) {
	test(`an authorization request that is ${what} is an error, not a verdict`, async (t) => {
		const call = await served(t);
		for (const path of ['/AuthZPlugin.AuthZReq', '/AuthZPlugin.AuthZRes']) {
			const { status, value } = await call(path, body);
			t.is(status, 500);
			t.false(value['Allow']);
		}
	});
}

test('an authorization that fails unexpectedly is an error without detail', async (t) => {
	const call = await served(t, { authorizeRequest: () => Promise.reject(new Error('secret detail')) });
	const { status, value } = await call('/AuthZPlugin.AuthZReq', info);
	t.is(status, 500);
	t.notRegex(JSON.stringify(value), /secret/);
});

test('volume calls answer with an empty Err, refusals with one sentence and its code', async (t) => {
	const call = await served(t);
	t.deepEqual(await call('/VolumeDriver.Echo', '{"Name":"x"}'), { status: 200, value: { given: { Name: 'x' }, Err: '' } });
	t.deepEqual((await call('/VolumeDriver.Refuse', '{}')).value, { Err: 'birthmark: there is no such volume [volume-unknown]' });
	const broken = (await call('/VolumeDriver.Break', '{}')).value['Err'] as string;
	t.regex(broken, /\[internal\]$/);
	t.notRegex(broken, /secret/);
});

test('what is no object, no call or no POST is not answered with 200', async (t) => {
	const call = await served(t);
	t.is((await call('/VolumeDriver.Echo', 'nonsense')).status, 500);
	t.is((await call('/VolumeDriver.Echo', '7')).status, 500);
	t.is((await call('/VolumeDriver.Nothing', '{}')).status, 404);
	t.is((await call('/Plugin.Activate', '', 'GET')).status, 404);
});

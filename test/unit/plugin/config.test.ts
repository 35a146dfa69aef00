import { readFileSync } from 'node:fs';
import test from 'ava';
import { createToken, formatToken } from '#common/protocol/token.ts';
import { readConfig } from '../../../plugin/config.ts';

const joinToken = formatToken(createToken('join', Buffer.alloc(32, 1)));

test('the values that config.json ships are valid', (t) => {
	const manifest = JSON.parse(readFileSync(new URL('../../../config.json', import.meta.url), 'utf8')) as { env: { name: string; value: string; description: string; settable: string[] }[] };
	const config = readConfig(Object.fromEntries(manifest.env.map(({ name, value }) => [name, value])));
	t.is(config.CA_URL, undefined);
	t.is(config.START_GRACE_SECONDS, 30);
	for (const { description, settable } of manifest.env) {
		t.true(description.length > 10);
		t.deepEqual(settable, ['value']);
	}
});

test('settings are taken, variables of others left alone', (t) => {
	const config = readConfig({ PATH: '/bin', CA_URL: 'https://ca1:33004,https://ca2:33004', JOIN_TOKEN: joinToken, NODE_NAME: 'host1', START_GRACE_SECONDS: '5', LOG_LEVEL: 'debug' });
	t.like(config, { CA_URL: ['https://ca1:33004', 'https://ca2:33004'], JOIN_TOKEN: joinToken, NODE_NAME: 'host1', START_GRACE_SECONDS: 5, LOG_LEVEL: 'debug', DATA_DIRECTORY: '/data' });
	t.true(Object.isFrozen(config));
});

test('every fault is told at once, and no token', (t) => {
	const error = t.throws(() => readConfig({ CA_URL: 'http://ca', JOIN_TOKEN: 'BMKJOIN-1-secret', NODE_NAME: 'Host_1', START_GRACE_SECONDS: '500', LOG_LEVEL: 'loud', ENGINE_SOCKET: '/run/docker.sock' }), { code: 'config-invalid' });
	for (const name of ['CA_URL', 'JOIN_TOKEN', 'NODE_NAME', 'START_GRACE_SECONDS', 'LOG_LEVEL', 'ENGINE_SOCKET']) t.regex(error.message, new RegExp(`${name}: `));
	t.notRegex(error.message, /secret/);
});

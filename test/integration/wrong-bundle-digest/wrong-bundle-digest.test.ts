/** The agent talks to no CA but the one whose trust bundle the token names. */

import test from 'ava';
import { AGENT, DIRECTORY, openWorld } from '../../support/world.ts';

const world = openWorld();

test('an agent whose token names another trust bundle sends neither token nor request', async (t) => {
	const name = world.name();
	const container = await world.startWithoutAgent(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	const token = (await world.exec(container, ['cat', `${DIRECTORY}/token`])).stdout.trim();
	const [prefix, version, digest, secret] = token.split('-');
	const other = digest![49] === '0' ? '1' : '0';
	await world.exec(container, ['sh', '-c', `echo '${prefix}-${version}-${digest!.slice(0, 49)}${other}-${secret}' > ${DIRECTORY}/forged`]);
	const ran = await world.exec(container, [AGENT, 'once', '--token-file', `${DIRECTORY}/forged`]);
	t.is(ran.code, 76);
	t.regex(ran.stderr, /\[bundle-digest-mismatch\]/);
	t.is(await world.identity(name), undefined);
	t.is((await world.exec(container, [AGENT, 'once'])).code, 0, 'the real token was not burnt');
});

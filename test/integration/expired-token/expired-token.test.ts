/** A token is good for a short time. */

import test from 'ava';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
/** The CA of the tests issues tokens for twenty seconds. */
const TOKEN_TTL_MS = 20_000;

test('a token past its time is refused with the remedy, and a restart helps', async (t) => {
	const name = world.name();
	const container = await world.startWithoutAgent(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	t.is((await world.exec(container, ['ls', `${DIRECTORY}/token`])).code, 0);
	// Its time is what is tested: nothing tells when a token expires.
	await sleep(TOKEN_TTL_MS + 500);
	const late = await world.exec(container, [AGENT, 'once']);
	t.is(late.code, 77);
	t.regex(late.stderr, /\[token-expired\]/);
	t.is(await world.identity(name), undefined);
	await container.restart({ t: 0 });
	t.is((await world.exec(container, [AGENT, 'once'])).code, 0);
	t.truthy(await eventually('the identity is live', () => world.identity(name)));
});

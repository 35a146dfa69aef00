/** A token is good once. */

import test from 'ava';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
/** Without the agent in the entry point, so that the token is still there to be taken. */
const LAZY = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };

test('a token that was redeemed is refused to everybody else, and the identity is not disturbed', async (t) => {
	const name = world.name();
	const container = await world.startWithoutAgent(t, { commonName: name, organizationalUnit: 'web-api' }, LAZY);
	const token = (await world.exec(container, ['cat', `${DIRECTORY}/token`])).stdout;
	t.regex(token, /^BMKTKN-1-[0-9a-z]{50}-[0-9a-z]{25}\n?$/);
	t.is((await world.exec(container, [AGENT, 'once'])).code, 0);
	const { serial } = await eventually('the identity is live', () => world.identity(name));

	const thief = await world.startWithoutAgent(t, { commonName: world.name(), organizationalUnit: 'web-api' }, LAZY);
	await world.exec(thief, ['sh', '-c', `echo '${token.trim()}' > ${DIRECTORY}/stolen`]);
	const replay = await world.exec(thief, [AGENT, 'once', '--token-file', `${DIRECTORY}/stolen`]);
	t.is(replay.code, 77);
	t.regex(replay.stderr, /\[token-used\]/);
	t.notRegex(replay.stderr, /BMKTKN-1-[0-9a-z]/, 'an error never repeats a token');
	t.is((await world.identity(name))?.serial, serial);
});

test('a new start mints a new token, and the unused one of the last start is dead', async (t) => {
	const name = world.name();
	const container = await world.startWithoutAgent(t, { commonName: name, organizationalUnit: 'web-api' }, LAZY);
	const old = (await world.exec(container, ['cat', `${DIRECTORY}/token`])).stdout.trim();
	await container.restart({ t: 0 });
	const fresh = (await world.exec(container, ['cat', `${DIRECTORY}/token`])).stdout.trim();
	t.not(fresh, old);
	await world.exec(container, ['sh', '-c', `echo '${old}' > ${DIRECTORY}/old`]);
	const replay = await world.exec(container, [AGENT, 'once', '--token-file', `${DIRECTORY}/old`]);
	t.is(replay.code, 77);
	t.regex(replay.stderr, /\[(token-expired|authorization-ended)\]/);
	t.is((await world.exec(container, [AGENT, 'once'])).code, 0, 'the fresh one is not hurt by that');
});

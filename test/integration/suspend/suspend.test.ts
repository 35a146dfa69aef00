/** What slept past the end of its certificate says what to do, once. */

import test from 'ava';
import { AGENT, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();

test('a container that was paused past the end of its certificate is told so, with the remedy, by log and status, and the remedy helps', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', lifetimeSeconds: 10 }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	t.teardown(() => container.unpause().catch(() => undefined));
	await container.pause();
	// The newest may be a renewal that came just before.
	await eventually('its certificate has ended', async () => (await world.identities(true)).filter(({ commonName }) => commonName === name).every(({ status }) => status === 'expired'));
	await container.unpause();
	await eventually('the log says what to do', async () => /docker restart/.test(await world.logs(container)));
	t.is((await world.logs(container)).match(/docker restart/g)?.length, 1);
	const status = await world.exec(container, [AGENT, 'status']);
	t.is(status.code, 66);
	t.regex(status.stdout, /the identity has expired: restart the container for a new one \(docker restart/);
	t.true((await container.inspect()).State.Running, 'the application runs on');

	await container.restart({ t: 1 });
	t.not((await eventually('it has a new one', () => world.identity(name))).serial, serial);
});

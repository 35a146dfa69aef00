/** A container renews for as long as it lives, with a fresh key each time, and nobody does anything. */

import test from 'ava';
import { AGENT, DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();

test('a short-lived identity is renewed with a fresh key under the same names', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', lifetimeSeconds: 20 }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	const first = await eventually('the identity is live', () => world.identity(name));
	const before = await world.exec(container, ['cat', `${DIRECTORY}/identity.pem`]);
	const second = await eventually('it was renewed', async () => {
		const identity = await world.identity(name);
		return identity !== undefined && identity.renewals >= 1 && identity;
	});
	t.not(second.serial, first.serial);
	t.is(second.spiffeId, first.spiffeId);
	t.is(second.authorizationId, first.authorizationId);
	const after = await eventually('the new identity is on the volume', async () => {
		const ran = await world.exec(container, ['cat', `${DIRECTORY}/identity.pem`]);
		return ran.code === 0 && ran.stdout !== before.stdout && ran;
	});
	const key = (pem: string): string | undefined => /-----BEGIN (?:EC )?PRIVATE KEY-----[^-]+/.exec(pem)?.[0];
	t.truthy(key(after.stdout));
	t.not(key(after.stdout), key(before.stdout));
});

test('the application is neither restarted nor signalled by a renewal', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api', lifetimeSeconds: 20 }, { Image: 'test/busybox', Entrypoint: ['sh', '-c'], Cmd: ['echo started; for s in HUP USR1 USR2 TERM; do trap "echo signal $s" $s; done; while :; do sleep 600 & wait $!; done'] });
	await eventually('it was renewed twice', async () => ((await world.identity(name))?.renewals ?? 0) >= 2);
	t.is(await world.logs(container), 'started\n');
});

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

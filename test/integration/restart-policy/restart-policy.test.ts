/** The engine restarts a container by itself, without any call that a plugin could see: each life has its own identity. */

import test from 'ava';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const RESTARTS = 5;

test('each restart by restart policy gets its own identity, and the one before is revoked', async (t) => {
	const name = world.name();
	// Ends by itself, with a failure, a moment after it has its identity.
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sh', '-c'], Cmd: ['exit 3'], HostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: RESTARTS } } });
	await eventually('it has used up its restarts', async () => {
		const { State, RestartCount } = await container.inspect() as { State: { Running: boolean; Restarting: boolean }; RestartCount: number };
		return RestartCount === RESTARTS && !State.Running && !State.Restarting;
	});
	const lives = (await world.identities(true)).filter((identity) => identity.commonName === name);
	t.is(lives.length, RESTARTS + 1);
	t.is(new Set(lives.map((identity) => identity.serial)).size, RESTARTS + 1);
	t.is(new Set(lives.map((identity) => identity.authorizationId)).size, 1, 'one authorization for all lives');
	await eventually('all are revoked', async () => (await world.identities(true)).filter((identity) => identity.commonName === name).every((identity) => identity.status === 'revoked'));
});

test('docker restart gives a new identity without anybody doing anything', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] });
	const first = await eventually('the identity is live', () => world.identity(name));
	await container.restart({ t: 1 });
	const second = await eventually('another identity is live', async () => {
		const identity = await world.identity(name);
		return identity !== undefined && identity.serial !== first.serial && identity;
	});
	t.is(second.renewals, 0);
	const old = await eventually('the first is revoked', async () => (await world.identities(true)).find((identity) => identity.serial === first.serial && identity.status === 'revoked'));
	t.is(old.revocationReason, 'cessationOfOperation');
});

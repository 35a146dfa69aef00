/** The engine stops, or is killed, and starts again: what must run again runs, each with a new identity. */

import test from 'ava';
import { startEngine, stopEngine } from '../../../scripts/private-engine.ts';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { Steps } from '../../../scripts/steps.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
	test.serial(`after ${signal} to the engine a container under restart: always is born again`, async (t) => {
		const steps = new Steps(`${world.state}/logs/engine-restart.log`);
		const name = world.name();
		await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'], HostConfig: { RestartPolicy: { Name: 'always' } } });
		const before = await eventually('the identity is live', () => world.identity(name));
		await stopEngine(world.paths, signal);
		await startEngine(steps, world.paths);
		await waitUntilEnforced(world.host);
		const after = await eventually('a new identity is live', async () => {
			const identity = await world.identity(name);
			return identity !== undefined && identity.serial !== before.serial && identity;
		});
		t.is(after.authorizationId, before.authorizationId);
		t.truthy(await eventually('the old one is revoked', async () => (await world.identities(true)).find((identity) => identity.serial === before.serial && identity.status === 'revoked')));
	});
}

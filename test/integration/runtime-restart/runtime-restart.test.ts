/** Identities by label alone, after the engine itself was away: plugin and containers come back at the same time. */

import test from 'ava';
import { startEngine, stopEngine } from '../../../scripts/private-engine.ts';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { Steps } from '../../../scripts/steps.ts';
import { alive, bornAgain, isRevoked, startByLabel } from '../../support/by-label.ts';
import { openWorld } from '../../support/world.ts';

const world = openWorld();
const steps = new Steps(`${world.state}/logs/runtime-restart.log`);
const ALWAYS = { HostConfig: { Runtime: 'birthmark', RestartPolicy: { Name: 'always' } } };

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
	test(`after ${signal} to the engine a container under restart: always is born again`, async (t) => {
		const name = world.name();
		await startByLabel(world, t, name, ALWAYS);
		const before = await alive(world, name);
		await stopEngine(world.paths, signal);
		await startEngine(steps, world.paths);
		await waitUntilEnforced(world.host);
		const after = await bornAgain(world, name, before);
		t.is(after.authorizationId, before.authorizationId);
		await isRevoked(world, before);
	});
}

/** Many at the same time: nothing is refused, nothing is left. */

import test from 'ava';
import { crowd, kept, leftOver } from '../../support/crowd.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const COUNT = 50;
/** More of them take longer to start on a slow machine than their tokens live here. */
const PARALLEL = 8;
/** Connections with the engine and the CA that are kept for the next call; one for each container would be more. */
const KEPT_FILES = 3 * PARALLEL;

test('fifty containers are created, started and removed, eight at a time: each has its certificate, and nothing is left of them', async (t) => {
	t.timeout(600_000);
	const before = await kept(world);
	const { errors, certified } = await crowd(world, { count: COUNT, parallel: PARALLEL, seconds: 120 });
	t.deepEqual(errors, []);
	t.is(certified, COUNT);
	await eventually('nothing is left of them', async () => {
		const now = await kept(world);
		return leftOver(before, now).length === 0 && now.fileDescriptors <= before.fileDescriptors + KEPT_FILES;
	}, 120);
});

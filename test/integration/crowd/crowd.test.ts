/** Many at the same time: nothing is refused, nothing is left. */

import test from 'ava';
import { crowd, kept, leftOver } from '../../support/crowd.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const COUNT = 50;
/** More of them take longer to start on a slow machine than their tokens live here. */
const PARALLEL = 8;

test('fifty containers are created, started and removed at the same time: each has its certificate, and nothing is left of them', async (t) => {
	t.timeout(600_000);
	const before = await kept(world);
	const { errors, certified } = await crowd(world, { count: COUNT, parallel: PARALLEL, seconds: 120 });
	t.deepEqual(errors, []);
	t.is(certified, COUNT);
	await eventually('nothing is left of them', async () => {
		const now = await kept(world);
		// The engine may keep a few more connections than before.
		return leftOver(before, now).length === 0 && now.fileDescriptors <= before.fileDescriptors + 4;
	}, 120);
});

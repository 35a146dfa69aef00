import test from 'ava';
import { createTokenBucket } from '../../../../plugin/volume/token-bucket.ts';

test('as much as the bucket holds may happen at once, and then as much as flows in', (t) => {
	let now = 0;
	const take = createTokenBucket({ burst: 3, perSecond: 2 }, () => now);
	t.deepEqual([1, 1, 1, 1].map(take), [true, true, true, false]);
	now = 499;
	t.false(take(1));
	now = 500;
	t.true(take(1));
	t.false(take(1));
	now = 1_000_000;
	t.deepEqual([take(4), take(3), take(1)], [false, true, false]);
});

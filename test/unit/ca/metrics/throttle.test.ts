import test from 'ava';
import { createThrottle } from '../../../../ca/metrics/throttle.ts';

test('whoever asks within a second shares one look-up, also while it is under way', async (t) => {
	let now = 0;
	let calls = 0;
	const throttle = createThrottle(() => now);
	const look = () => throttle(async () => ++calls);
	t.deepEqual(await Promise.all([look(), look(), look()]), [1, 1, 1]);
	now = 999;
	t.is(await look(), 1);
	now = 1000;
	t.is(await look(), 2);
});

test('one that takes long is made rarely', async (t) => {
	let now = 0;
	let calls = 0;
	const throttle = createThrottle(() => now);
	const look = () => throttle(async () => {
		now += 200;
		return ++calls;
	});
	await look();
	now += 200 * 50 - 1;
	t.is(await look(), 1);
	now += 1;
	t.is(await look(), 2);
});

test('one that failed is made again at once', async (t) => {
	const throttle = createThrottle(() => 0);
	await t.throwsAsync(throttle(() => Promise.reject(new Error('away'))));
	t.is(await throttle(async () => 'back'), 'back');
});

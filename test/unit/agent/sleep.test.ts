import test from 'ava';
import { sleepUntil, systemSleep } from '../../../agent/sleep.ts';

test('an instant in the past is not waited for', async (t) => {
	let sleeps = 0;
	const sleep = async () => void sleeps++;
	await sleepUntil(new Date(0), new AbortController().signal, { clock: { now: () => new Date(1) }, sleep });
	t.is(sleeps, 0);
});

test('a long time is waited for in steps of a minute, looking at the clock after each', async (t) => {
	let now = 0;
	const steps: number[] = [];
	const sleep = async (milliseconds: number) => {
		steps.push(milliseconds);
		now += milliseconds;
	};
	await sleepUntil(new Date(150_000), new AbortController().signal, { clock: { now: () => new Date(now) }, sleep });
	t.deepEqual(steps, [60_000, 60_000, 30_000]);
});

test('a clock that is set back meanwhile does not make the wait longer', async (t) => {
	let now = 1_000_000_000;
	const steps: number[] = [];
	const sleep = async (milliseconds: number) => {
		steps.push(milliseconds);
		// Once, by a year.
		now += milliseconds - (steps.length === 1 ? 31_536_000_000 : 0);
		if (steps.length > 10) throw new Error('it waits for the clock');
	};
	await sleepUntil(new Date(now + 150_000), new AbortController().signal, { clock: { now: () => new Date(now) }, sleep });
	t.deepEqual(steps, [60_000, 60_000, 30_000]);
});

test('an interruption ends a sleep with its own reason', async (t) => {
	const stop = new AbortController();
	const reason = new Error('stop');
	const sleeping = systemSleep(3_600_000, stop.signal);
	stop.abort(reason);
	t.is(await t.throwsAsync(sleeping), reason);
});

test('a long sleep is the time to tidy up, once; a short one is not', async (t) => {
	for (const [seconds, times] of [[59, 0], [61, 1], [3600, 1]] as const) {
		let now = 0;
		let tidied = 0;
		await sleepUntil(new Date(seconds * 1000), new AbortController().signal, {
			clock: { now: () => new Date(now) },
			sleep: async (milliseconds) => void (now += milliseconds),
			tidyUp: () => tidied++,
		});
		t.is(tidied, times, `${seconds} s`);
	}
});

test('something else may end a long wait at each look at the clock', async (t) => {
	let now = 0;
	const sleep = async (milliseconds: number) => void (now += milliseconds);
	await sleepUntil(new Date(3_600_000), new AbortController().signal, { clock: { now: () => new Date(now) }, sleep, isOver: () => now >= 120_000 });
	t.is(now, 120_000);
});

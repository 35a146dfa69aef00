/** When a clock may be believed in what is forgotten for good. */

import test from 'ava';
import { watchClock } from '../../../ca/steady-clock.ts';

const HOUR = 3600_000;

function setUp() {
	const at = { wall: 1e12, monotonic: 5 };
	const isSteady = watchClock({ now: () => new Date(at.wall) }, () => at.monotonic);
	/** Time goes on, and every five seconds somebody looks. */
	const go = (milliseconds: number, perLook = 5000): boolean => {
		let result = false;
		for (let gone = 0; gone < milliseconds; gone += perLook) {
			at.wall += perLook;
			at.monotonic += perLook;
			result = isSteady();
		}
		return result;
	};
	return { at, isSteady, go };
}

test('a clock is believed after an hour in which it was not set', (t) => {
	const { isSteady, go } = setUp();
	t.false(isSteady());
	t.false(go(HOUR - 5000));
	t.true(go(5000));
});

test('a clock that was set is not believed for an hour, in whichever direction', (t) => {
	for (const step of [40 * 24 * HOUR, -2 * HOUR, 61_000]) {
		const { at, isSteady, go } = setUp();
		t.true(go(2 * HOUR));
		at.wall += step;
		t.false(isSteady());
		t.false(go(HOUR - 5000));
		t.true(go(5000));
	}
});

test('a clock that is slewed is believed', (t) => {
	const { at, isSteady, go } = setUp();
	for (let minute = 0; minute < 70; minute++) {
		go(60_000);
		at.wall += 500;
	}
	t.true(isSteady());
});

/** When a clock may be believed in what is forgotten for good. */

import test from 'ava';
import { watchClock, type ClockState } from '../../../ca/steady-clock.ts';

const HOUR = 3600_000;

function setUp() {
	const at = { wall: 1e12, monotonic: 5 };
	const look = watchClock({ now: () => new Date(at.wall) }, () => at.monotonic);
	/** Time goes on, and every five seconds somebody looks. */
	const go = (milliseconds: number, perLook = 5000): ClockState => {
		let result: ClockState = 'new';
		for (let gone = 0; gone < milliseconds; gone += perLook) {
			at.wall += perLook;
			at.monotonic += perLook;
			result = look();
		}
		return result;
	};
	return { at, look, go };
}

test('a clock is believed after an hour in which it was not set', (t) => {
	const { look, go } = setUp();
	t.is(look(), 'new');
	t.is(go(HOUR - 5000), 'new');
	t.is(go(5000), 'steady');
});

test('a clock that was set is not believed for an hour, in whichever direction', (t) => {
	for (const step of [40 * 24 * HOUR, -2 * HOUR, 61_000]) {
		const { at, look, go } = setUp();
		t.is(go(2 * HOUR), 'steady');
		at.wall += step;
		t.is(look(), 'set');
		t.is(go(HOUR - 5000), 'set');
		t.is(go(5000), 'steady');
	}
});

test('a clock that is slewed is believed', (t) => {
	const { at, look, go } = setUp();
	for (let minute = 0; minute < 70; minute++) {
		go(60_000);
		at.wall += 500;
	}
	t.is(look(), 'steady');
});

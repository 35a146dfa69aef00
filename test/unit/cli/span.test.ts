/** Spans of time on the command line. */

import test from 'ava';
import { InvalidArgumentError } from 'commander';
import { parseSeconds } from '../../../cli/span.ts';

for (const [text, seconds] of [['0', 0], ['90', 90], ['90s', 90], ['30m', 1800], ['2h', 7200], ['7d', 604_800], ['007', 7]] as const) {
	test(`${text} are ${seconds} seconds`, (t) => t.is(parseSeconds(text), seconds));
}

for (const text of ['', ' ', 'm', '-1', '+1', '1.5h', '1e3', '0x10', '2 h', '2H', '1h30m', '1w', '90s\n', ' 90', '1234567890', 'Infinity', '１']) {
	test(`${JSON.stringify(text)} is no span`, (t) => {
		t.throws(() => parseSeconds(text), { instanceOf: InvalidArgumentError, message: /90s, 30m, 2h or 7d/ });
	});
}

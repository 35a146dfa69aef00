/** What a person reads. */

import test from 'ava';
import { createOutput, formatSpan, formatTable } from '../../../cli/output.ts';

function terminal(isTTY: boolean, environment: NodeJS.ProcessEnv = {}) {
	const written: string[] = [];
	const stream = { isTTY, write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream;
	return { output: createOutput(stream, environment), written };
}

test('columns are as wide as their widest cell, and no line ends in blanks', (t) => {
	t.is(formatTable(['CN', 'ROLE', 'X'], [['api01', 'web', ''], ['w', 'web-api', 'y']]), 'CN     ROLE     X\napi01  web\nw      web-api  y');
});

test('a table without rows is its header; a short row ends early', (t) => {
	t.is(formatTable(['A', 'B'], []), 'A  B');
	t.is(formatTable(['A', 'B'], [['long'], []]), 'A     B\nlong\n');
});

test('a cell cannot add lines or steer the terminal', (t) => {
	t.is(formatTable(['A'], [['a\nb'], ['\u001b[2Jx'], ['\u202ecod']]), 'A\na?b\n?[2Jx\n?cod');
});

for (const [milliseconds, text] of [
	[-1, '-'], [0, '-'], [1, '0s'], [999, '0s'], [1000, '1s'], [59_999, '59s'], [60_000, '1m 0s'], [723_000, '12m 3s'],
	[3_600_000, '1h 0m'], [86_399_999, '23h 59m'], [86_400_000, '1d 0h'], [273_600_000, '3d 4h'], [400 * 86_400_000, '400d 0h'],
] as const) {
	test(`${milliseconds} ms are ${text}`, (t) => t.is(formatSpan(milliseconds), text));
}

test('a terminal gets colours', (t) => {
	const { output } = terminal(true);
	t.is(output.paint('red', 'no'), '\u001b[31mno\u001b[0m');
	t.is(output.paint('bold', 'yes'), '\u001b[1myes\u001b[0m');
});

for (const [name, isTTY, environment] of [
	['a pipe', false, {}], ['NO_COLOR', true, { NO_COLOR: '1' }], ['a dumb terminal', true, { TERM: 'dumb' }],
] as const) {
	test(`${name} gets none`, (t) => t.is(terminal(isTTY, environment).output.paint('red', 'no'), 'no'));
}

test('an empty NO_COLOR does not count (no-color.org)', (t) => {
	t.not(terminal(true, { NO_COLOR: '' }).output.paint('red', 'no'), 'no');
});

test('lines and JSON end with a line feed', (t) => {
	const { output, written } = terminal(true);
	output.line('text');
	output.json({ a: [1] });
	t.deepEqual(written, ['text\n', '{\n  "a": [\n    1\n  ]\n}\n']);
});

import test from 'ava';
import type { Results } from '../../../scripts/facts.ts';
import { lastLines } from '../../../scripts/last-lines.ts';

const NONE: Results = { facts: [], leftBehind: [], details: '' };

test('a run ends with what was said of engines, what failed, what passed only when repeated, and the counts', (t) => {
	const told = lastLines({
		results: [
			['unit', { ...NONE, facts: [{ file: 'a', title: 'one' }, { file: 'a', title: 'two', error: 'not so' }, { title: 'ava', error: 'ended with 1' }] }],
			['own-1', { ...NONE, facts: [{ file: 'b', title: 'three' }], leftBehind: ['✘ the engine'] }],
		],
		reports: ['stories on engine 20.10: 1 passed, 1 failed'],
		onlyRepeated: ['own-1 b › three: not at first'],
	});
	t.is(told, `
stories on engine 20.10: 1 passed, 1 failed
failed: unit a › two: not so
failed: unit ava: ended with 1
failed: own-1 ✘ the engine
passed only when repeated: own-1 b › three: not at first
2 passed, 3 failed
`);
});

test('however much there is to tell, it fits on twenty lines', (t) => {
	const facts = Array.from({ length: 30 }, (_, index) => ({ file: 'a', title: `test ${index}`, error: 'no' }));
	const lines = lastLines({ results: [['unit', { ...NONE, facts }]], reports: [], onlyRepeated: facts.map(({ title }) => title) }).trim().split('\n');
	t.true(lines.length < 20);
	t.deepEqual([lines[9], lines[10], lines[11], lines.at(-2), lines.at(-1)], ['failed: unit a › test 9: no', '… and 20 more, above', 'passed only when repeated: test 0', '… and 24 more, above', '0 passed, 30 failed']);
});

test('a line of any length is cut', (t) => {
	const lines = lastLines({ results: [['own-1', { ...NONE, leftBehind: ['x'.repeat(1000)] }]], reports: [], onlyRepeated: ['y'.repeat(1000)] }).trim().split('\n');
	t.deepEqual(lines.map(({ length }) => length), [502, 502, '0 passed, 1 failed'.length]);
	t.deepEqual(lines.slice(0, 2).map((line) => line.slice(-3)), ['x …', 'y …']);
});

test('where nothing failed there is nothing between the reports and the counts', (t) => {
	t.is(lastLines({ results: [['unit', { ...NONE, facts: [{ file: 'a', title: 'one' }] }]], reports: ['a report'], onlyRepeated: [] }), '\na report\n1 passed, 0 failed\n');
});

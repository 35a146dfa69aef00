import { join } from 'node:path';
import test from 'ava';
import { factReader } from '../../../scripts/observed-run.ts';
import { PROJECT } from '../../../scripts/paths.ts';

const one = join(PROJECT, 'test/unit/one.test.ts');
const two = join(PROJECT, 'test/unit/two.test.ts');

test('tests that do not end are told by the first of each file, also where it is not known which', (t) => {
	const factsOf = factReader();
	t.deepEqual(factsOf({ type: 'timeout', period: 180_000, pendingTests: new Map([[one, new Set(['it ends', 'it begins'])], [two, new Set<string>()]]) }), [
		{ file: 'test/unit/one.test.ts', title: 'it ends', error: 'no test ended within 180 s' },
		{ file: 'test/unit/two.test.ts', title: 'its end', error: 'no test ended within 180 s' },
	]);
	t.deepEqual(factsOf({ type: 'worker-failed', testFile: one, signal: 'SIGTERM' }), []);
});

test('a file that failed has not to answer for a time that ran out elsewhere', (t) => {
	const factsOf = factReader();
	t.is(factsOf({ type: 'hook-failed', testFile: one, title: 'prepares', err: { message: 'no' } }).length, 1);
	t.deepEqual(factsOf({ type: 'timeout', period: 1000, pendingTests: new Map([[one, new Set(['never reached'])]]) }), []);
});

test('tests that were not run are a fault of their file, unless ava ended it', (t) => {
	const factsOf = factReader();
	const byFile = new Map([one, two].map((file) => [file, { remainingTests: 3 }]));
	t.deepEqual(factsOf({ type: 'stats', stats: { byFile } }), []);
	t.deepEqual(factsOf({ type: 'worker-finished', testFile: one, forcedExit: true }), []);
	t.deepEqual(factsOf({ type: 'worker-finished', testFile: two, forcedExit: false }), [{ file: 'test/unit/two.test.ts', title: 'its end', error: '3 tests were not run' }]);
});

test('what belongs to no file is a fault all the same, and an error of any length is one line', (t) => {
	const [fact] = factReader()({ type: 'internal-error', err: { message: `a\nb ${'c'.repeat(1000)}` } });
	t.deepEqual(Object.keys(fact!), ['title', 'error']);
	t.regex(fact!.error!, /^a b c{236} …$/);
});

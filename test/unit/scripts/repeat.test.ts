import test from 'ava';
import { failedIn, passedIn, type Fact, type Results } from '../../../scripts/facts.ts';
import { MAX_FILES, repeatFailed, settle } from '../../../scripts/repeat.ts';

const passed = (file: string, title = 'holds'): Fact => ({ file, title });
const failed = (file: string, title = 'holds', error = 'two is one'): Fact => ({ file, title, error });
const results = (facts: readonly Fact[], leftBehind: readonly string[] = []): Results => ({ facts, leftBehind, details: '' });
const counts = (of: Results): readonly number[] => [passedIn(of), failedIn(of)];

const LEFT = '✘ the engine that the stories before left behind: the plugin is disabled';

test('what passes the second time counts as passed, each test once, and is told with its first error', (t) => {
	const { results: after, onlyRepeated } = settle(results([passed('a', 'one'), failed('a', 'two'), passed('b')]), results([passed('a', 'one'), passed('a', 'two')]));
	t.deepEqual(counts(after), [3, 0]);
	t.deepEqual(onlyRepeated, ['a › two: two is one']);
});

test('what fails again is a failure, whichever test of the file it is', (t) => {
	const first = results([passed('a', 'one'), failed('a', 'two')]);
	for (const again of [[passed('a', 'one'), failed('a', 'two')], [failed('a', 'one'), passed('a', 'two')]]) {
		t.deepEqual(settle(first, results(again)), { results: results(again), onlyRepeated: [] });
	}
});

test('a file that did not run again has failed, and so has the attempt', (t) => {
	const { results: after, onlyRepeated } = settle(results([failed('a')]), results([{ title: 'ava', error: 'ended with 1' }]));
	t.deepEqual(counts(after), [0, 2]);
	t.deepEqual(onlyRepeated, []);
});

test('a repetition that was cut short is a failure, though nothing failed in it', (t) => {
	t.deepEqual(counts(settle(results([failed('a', 'one'), passed('a', 'two')]), results([passed('a', 'one'), { title: 'ava', error: 'ended with SIGKILL' }])).results), [1, 1]);
});

test('an engine that was left behind otherwise than it was is told, and a failure unless a story of it passes when repeated', (t) => {
	t.deepEqual(settle(results([failed('a')], [LEFT]), results([passed('a')])), { results: results([passed('a')]), onlyRepeated: ['a › holds: two is one', LEFT] });
	t.is(failedIn(settle(results([failed('a')], [LEFT]), results([failed('a')])).results), 2);
	t.is(failedIn(settle(results([failed('a'), failed('b')]), results([passed('a'), passed('b')], [LEFT])).results), 1);
});

test('each run is repeated with the files that failed in it, one run after the other', async (t) => {
	const asked: string[] = [];
	const run = (name: string, facts: readonly Fact[]) => ({
		name,
		results: results(facts),
		again: async (files: readonly string[]): Promise<Results> => {
			asked.push(`${name} begins ${files.join(' ')}`);
			await new Promise(setImmediate);
			asked.push(`${name} ends`);
			return results(files.map((file) => passed(file)));
		},
	});
	const { results: after, onlyRepeated, reports } = await repeatFailed([run('own', [failed('a'), failed('a', 'is'), failed('b')]), run('28.5', [passed('a')]), run('26.1', [failed('b')])], new AbortController().signal);
	t.deepEqual(asked, ['own begins a b', 'own ends', '26.1 begins b', '26.1 ends']);
	t.deepEqual(after.map(counts), [[2, 0], [1, 0], [1, 0]]);
	t.deepEqual(onlyRepeated, ['own a › holds: two is one', 'own a › is: two is one', 'own b › holds: two is one', '26.1 b › holds: two is one']);
	t.deepEqual(reports, []);
});

test('nothing is repeated when too many files failed, when the run is ended, or what failed belongs to no file', async (t) => {
	const again = (): Promise<Results> => Promise.reject(new Error('repeated'));
	const many = { name: 'unit', results: results(Array.from({ length: MAX_FILES }, (_, index) => failed(`${index}`))), again };
	const other = { name: 'own', results: results([failed('0')]), again };
	const { results: after, reports } = await repeatFailed([many, other], new AbortController().signal);
	t.deepEqual(after, [many.results, other.results]);
	t.deepEqual(reports, ['nothing was repeated: 6 test files failed, more than 5']);
	t.deepEqual(await repeatFailed([many], AbortSignal.abort()), { results: [many.results], onlyRepeated: [], reports: [] });
	const nowhere = { name: 'own', results: results([{ title: 'not run', error: 'no engine' }], [LEFT]), again };
	t.deepEqual(await repeatFailed([nowhere], new AbortController().signal), { results: [nowhere.results], onlyRepeated: [], reports: [] });
});

test('where no second engine can be had the first failure stands', async (t) => {
	const { results: after, reports } = await repeatFailed([{ name: 'own', results: results([failed('a')]), again: () => Promise.reject(new Error('the private engine did not start')) }], new AbortController().signal);
	t.deepEqual(after.map(counts), [[0, 1]]);
	t.deepEqual(reports, ['own: could not be repeated, the private engine did not start']);
});

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { PROJECT } from '../../../scripts/paths.ts';
import { CORE, whichTurns, type Wish } from '../../../scripts/turns.ts';

const wish = (change: Partial<Wish>): Wish => ({ everything: true, story: undefined, chosen: [], newer: () => ['26.1', '28.5'], all: () => ['a', 'b', 'c'], ...change });

const HALVES = [
	{ name: 'own-1', engine: '', stories: '{a,c}', optional: false },
	{ name: 'own-2', engine: '', stories: '{b}', optional: false },
];

test('without ENGINE all stories run on the own engine, divided between two of them, and a core of them on newer ones where these can be had', (t) => {
	t.deepEqual(whichTurns(wish({})), [
		...HALVES,
		{ name: '26.1', engine: '26.1', stories: CORE, optional: true },
		{ name: '28.5', engine: '28.5', stories: CORE, optional: true },
	]);
});

test('stories alone run on the own engine, one or all', (t) => {
	t.deepEqual(whichTurns(wish({ everything: false })), HALVES);
	t.deepEqual(whichTurns(wish({ everything: false, story: 'renew' })), [{ name: 'own', engine: '', stories: 'renew', optional: false }]);
});

test('engines that ENGINE names get all stories, and have to be had', (t) => {
	for (const everything of [true, false]) {
		t.deepEqual(whichTurns(wish({ everything, chosen: ['28.5', '20.10'] })), [
			{ name: '28.5', engine: '28.5', stories: undefined, optional: false },
			{ name: '20.10', engine: '20.10', stories: undefined, optional: false },
		]);
	}
	t.deepEqual(whichTurns(wish({ everything: false, chosen: ['26.1'], story: 'renew' })), [{ name: '26.1', engine: '26.1', stories: 'renew', optional: false }]);
});

test('every story of the core is there', (t) => {
	const names = CORE.slice(1, -1).split(',');
	t.true(names.length > 5);
	for (const name of names) t.true(existsSync(join(PROJECT, 'test/integration', name)), name);
});

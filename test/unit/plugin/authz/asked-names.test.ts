import test from 'ava';
import { createAskedNames } from '../../../../plugin/authz/asked-names.ts';

function world() {
	const waits: number[] = [];
	let time = 0;
	const names = createAskedNames({ now: () => time, wait: async (ms) => void waits.push(ms) });
	return { names, waits, pass: (ms: number) => void (time += ms) };
}

test('a name that nobody asked about is given at once', async (t) => {
	const { names, waits } = world();
	names.ask('other');
	await names.give('new', 'id');
	t.deepEqual(waits, []);
});

test('a name that was asked about is given when what was judged by it is over', async (t) => {
	const { names, waits, pass } = world();
	names.ask('new');
	pass(4_000);
	await names.give('new', 'id');
	t.deepEqual(waits, [6_000]);
	pass(10_000);
	await names.give('new', 'id');
	t.deepEqual(waits, [6_000], 'long ago');
});

test('whoever asks from then on is told, while the name is still to be given and after', (t) => {
	const { names, pass } = world();
	t.is(names.ask('new'), undefined);
	const given = names.give('new', 'id');
	t.is(names.ask('new'), 'id');
	t.is(names.ask('other'), undefined);
	pass(60_000);
	t.is(names.ask('new'), 'id', 'the engine may still wait for the container');
	pass(600_000);
	t.is(names.ask('new'), undefined);
	return t.notThrowsAsync(given);
});

test('more names than are remembered make every rename wait', async (t) => {
	const { names, waits } = world();
	names.ask('new');
	for (let number = 0; number < 10_000; number++) names.ask(`n${number}`);
	await names.give('new', 'id');
	t.deepEqual(waits, [10_000]);
});

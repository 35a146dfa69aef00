import test from 'ava';
import { inLanes, namedLines } from '../../../scripts/lanes.ts';

test('so many are under way at a time, the next begins when one ends, and the results are in order', async (t) => {
	const begun: number[] = [];
	const ends = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
	const done = inLanes(2, ends.map(({ promise }, index) => async () => {
		begun.push(index);
		await promise;
		return index * 10;
	}));
	t.deepEqual(begun, [0, 1]);
	ends[1]!.resolve();
	await ends[1]!.promise;
	await new Promise(setImmediate);
	t.deepEqual(begun, [0, 1, 2]);
	for (const { resolve } of ends) resolve();
	t.deepEqual(await done, [0, 10, 20, 30]);
});

test('when one fails the others are done all the same, and then it is told', async (t) => {
	const done: string[] = [];
	const failing = inLanes(1, [() => Promise.reject(new Error('the first')), async () => void done.push('second')]);
	await t.throwsAsync(failing, { message: 'the first' });
	t.deepEqual(done, ['second']);
});

test('each line bears the name of its writer, however it comes in pieces; empty ones stay empty', (t) => {
	const lines: string[] = [];
	const writer = namedLines('unit', (line) => lines.push(line));
	writer.write('  ✔ on');
	t.deepEqual(lines, []);
	writer.write('e\n\n  ✔ two\nrest');
	writer.end();
	writer.end();
	t.deepEqual(lines, ['unit   ✔ one\n', '\n', 'unit   ✔ two\n', 'unit rest\n']);
});

import test from 'ava';
import { repeat } from '#common/runtime/repeat.ts';

test('work that takes longer than the interval is never done twice at once', async (t) => {
	let [running, most, done] = [0, 0, 0];
	await new Promise<void>((resolve) => {
		const repetition = repeat(1, async () => {
			most = Math.max(most, ++running);
			await new Promise((next) => setTimeout(next, 10));
			running--;
			if (++done === 3) void repetition.stop().then(resolve);
		}, () => t.fail());
	});
	t.is(most, 1);
	t.is(done, 3);
});

test('what fails is told, and done again', async (t) => {
	const errors: unknown[] = [];
	await new Promise<void>((resolve) => {
		const repetition = repeat(1, async () => {
			throw new Error(`no ${errors.length}`);
		}, (error) => {
			if (errors.push(error) === 2) resolve(repetition.stop());
		});
	});
	t.deepEqual(errors.map(String), ['Error: no 0', 'Error: no 1']);
});

test('whoever stops it waits for what is being done', async (t) => {
	const begun = Promise.withResolvers<void>();
	const finish = Promise.withResolvers<void>();
	let isDone = false;
	const repetition = repeat(1, async () => {
		begun.resolve();
		await finish.promise;
		isDone = true;
	}, () => t.fail());
	await begun.promise;
	const stopped = repetition.stop().then(() => t.true(isDone));
	finish.resolve();
	await stopped;
});

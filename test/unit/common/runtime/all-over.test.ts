import test from 'ava';
import { allOver } from '#common/runtime/all-over.ts';

test('a failure is told when the others are over, the first of the list before others', async (t) => {
	const slow = Promise.withResolvers<string>();
	let isOver = false;
	const over = t.throwsAsync(allOver([undefined, slow.promise.then(() => Promise.reject(new Error('later'))), Promise.reject(new Error('sooner'))]).finally(() => (isOver = true)), { message: 'later' });
	await new Promise(setImmediate);
	t.false(isOver);
	slow.resolve('');
	await over;
});

test('without a failure it ends with the last', async (t) => {
	await t.notThrowsAsync(allOver([Promise.resolve(1), undefined]));
});

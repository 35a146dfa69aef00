import test from 'ava';
import { createFailOver, tryInOrder, type InOrder } from '#common/runtime/fail-over.ts';

function clock() {
	let now = 1_000;
	return { now: () => now, pass: (seconds: number) => void (now += seconds * 1000) };
}

test('the one that answered is asked first, and after a minute the first gets its chance again', (t) => {
	const time = clock();
	const failOver = createFailOver(['a', 'b', 'c'], time.now);
	t.deepEqual(failOver.order(), ['a', 'b', 'c']);
	failOver.answered('b');
	t.deepEqual(failOver.order(), ['b', 'a', 'c']);
	time.pass(59);
	failOver.answered('b');
	t.deepEqual(failOver.order(), ['b', 'a', 'c']);
	time.pass(1);
	t.deepEqual(failOver.order(), ['a', 'b', 'c']);
	// Still not there: the next minute belongs to the other one.
	failOver.answered('b');
	t.deepEqual(failOver.order(), ['b', 'a', 'c']);
	time.pass(60);
	failOver.answered('a');
	t.deepEqual(failOver.order(), ['a', 'b', 'c']);
});

const HOUR_MS = 3_600_000;

/** Who was asked, with what share of twelve hours, of which nothing passes that counts; answers are numbers as in HTTP, failures anything else. */
async function ask(answers: Record<string, number | Error>, change: Partial<InOrder<string, number>> = {}) {
	const failOver = createFailOver(Object.keys(answers));
	const asked: string[] = [];
	const budgets: number[] = [];
	const outcome = await tryInOrder(failOver, {
		deadlineMs: 12 * HOUR_MS,
		attempt: async (address, budgetMs) => {
			asked.push(address);
			budgets.push(Math.round(budgetMs / HOUR_MS));
			const answer = answers[address]!;
			if (typeof answer === 'number') return answer;
			throw answer;
		},
		settles: (status) => status !== 503,
		movesOn: () => true,
		...change,
	}).catch((error: Error) => error.message);
	return { outcome, asked, budgets, next: failOver.order()[0] };
}

const down = new Error('down');

test('one after the other is asked until one answers, and that is remembered', async (t) => {
	t.like(await ask({ a: 200, b: 200 }), { outcome: 200, asked: ['a'], next: 'a' });
	t.like(await ask({ a: down, b: down, c: 200 }), { outcome: 200, asked: ['a', 'b', 'c'], next: 'c' });
	t.like(await ask({ a: 503, b: 200 }), { outcome: 200, asked: ['a', 'b'], next: 'b' });
});

test('a refusal is an answer', async (t) => {
	t.like(await ask({ a: 403, b: 200 }), { outcome: 403, asked: ['a'], next: 'a' });
	t.like(await ask({ a: down, b: 409, c: 200 }), { outcome: 409, asked: ['a', 'b'], next: 'b' });
});

test('when nobody settles it, what the last one did is the outcome, and nobody is preferred', async (t) => {
	t.like(await ask({ a: down, b: new Error('also down') }), { outcome: 'also down', next: 'a' });
	t.like(await ask({ a: down, b: 503 }), { outcome: 503, next: 'a' });
	t.like(await ask({ a: 503, b: down }), { outcome: 'down', next: 'a' });
});

test('a failure that another address would share ends it', async (t) => {
	t.like(await ask({ a: down, b: 200 }, { movesOn: () => false }), { outcome: 'down', asked: ['a'] });
});

test('all attempts together have the time that one would have', async (t) => {
	t.deepEqual((await ask({ a: down, b: down, c: down, d: 200 })).budgets, [3, 4, 6, 12]);
	t.deepEqual((await ask({ a: 200 })).budgets, [12]);
});

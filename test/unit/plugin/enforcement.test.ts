import test, { type ExecutionContext } from 'ava';
import { silentLogger } from '#common/runtime/log.ts';
import { NOT_OBEYED, OUT_OF_CHAIN, REFUSED_BEFORE, startEnforcement, type Enforcement } from '../../../plugin/enforcement.ts';

/** @returns the status of its answer */
type Engine = (enforcement: Enforcement, nonce: string) => Promise<number>;

const asks: Engine = async (enforcement, nonce) => (enforcement.saw(nonce) ? 200 : 403);
const doesNotAsk: Engine = async () => 200;
const isAway: Engine = () => Promise.reject(new Error('ECONNREFUSED'));
const doesNotObey: Engine = async (enforcement, nonce) => (enforcement.saw(nonce), 200);
const refusesBefore: Engine = async () => 403;

/** Plays one engine after the other; the last one stays. `played` resolves when all had their turn. */
async function played(t: ExecutionContext, engines: readonly Engine[], monotonic?: () => number) {
	const { promise, resolve } = Promise.withResolvers<void>();
	const answers: boolean[] = [];
	const statuses: number[] = [];
	let turn = 0;
	let changes = 0;
	const enforcement: Enforcement = startEnforcement({
		// Not before the function has returned the enforcement that the engine talks to.
		call: async (nonce) => {
			await null;
			const engine = engines[Math.min(turn++, engines.length - 1)]!;
			if (turn > engines.length) resolve();
			const status = await engine(enforcement, nonce);
			statuses.push(status);
			return status;
		},
		onAnswer: (again) => void answers.push(again),
		onChange: () => changes++,
		...(monotonic && { monotonic }),
		logger: silentLogger,
	});
	t.teardown(() => enforcement.close());
	for (let i = 0; i < engines.length; i++) await enforcement.prove();
	await promise;
	return { enforcement, answers, statuses, changes: () => changes };
}

test('a call that comes by, and is refused where it should be, proves the chain', async (t) => {
	const { enforcement, statuses } = await played(t, [asks]);
	t.is(enforcement.inChain(), true);
	t.is(enforcement.problem(), undefined);
	t.true(enforcement.engineAnswered());
	t.is(statuses[0], 403);
});

test('an answer without a question disproves it', async (t) => {
	const { enforcement } = await played(t, [doesNotAsk]);
	t.is(enforcement.inChain(), false);
	t.is(enforcement.problem(), OUT_OF_CHAIN);
	t.true(enforcement.engineAnswered());
});

test('an engine that asks and does not obey is no proof', async (t) => {
	const { enforcement } = await played(t, [doesNotObey]);
	t.is(enforcement.inChain(), false);
	t.is(enforcement.problem(), NOT_OBEYED);
});

test('the question whether to start a container proves its start once, for a few seconds, and no other', async (t) => {
	const clock = { now: 0 };
	const { enforcement, statuses } = await played(t, [asks], () => clock.now);
	const calls = (): number => statuses.length;
	const begun = calls();
	enforcement.startAsked('one');
	t.true(await enforcement.prove('one'));
	t.is(calls(), begun);
	t.true(await enforcement.prove('one'));
	t.is(calls(), begun + 1, 'it was used');
	t.true(await enforcement.prove('two'));
	t.is(calls(), begun + 2);
	enforcement.startAsked('one');
	clock.now += 5_000;
	t.true(await enforcement.prove('one'));
	t.is(calls(), begun + 3, 'it is too long ago');
});

test('the question whether to start a container proves nothing while the chain is not whole', async (t) => {
	const { enforcement } = await played(t, [doesNotAsk]);
	enforcement.startAsked('one');
	t.false(await enforcement.prove('one'));
});

test('what was asked before the engine reloaded proves nothing after it, and the chain is looked at again', async (t) => {
	let inChain = true;
	const { enforcement, statuses } = await played(t, [(it, nonce) => (inChain ? asks : doesNotAsk)(it, nonce)]);
	const begun = statuses.length;
	enforcement.startAsked('one');
	inChain = false;
	enforcement.reloaded();
	t.false(await enforcement.prove('one'));
	t.is(statuses.length, begun + 1, 'those who ask meanwhile share it');
});

test('a refusal by somebody else is no proof', async (t) => {
	const { enforcement } = await played(t, [refusesBefore]);
	t.is(enforcement.inChain(), false);
	t.is(enforcement.problem(), REFUSED_BEFORE);
});

test('an engine that does not answer proves nothing', async (t) => {
	const { enforcement, answers } = await played(t, [isAway]);
	t.is(enforcement.inChain(), null);
	t.false(enforcement.engineAnswered());
	t.deepEqual(answers, []);
});

test('the nonce of another call proves nothing, and is let through', async (t) => {
	const { enforcement } = await played(t, [async (it) => (it.saw('0'.repeat(32)) ? 200 : 403)]);
	t.is(enforcement.inChain(), false);
});

test('it is told when the engine answers again, and when anything changed', async (t) => {
	const { answers, changes } = await played(t, [isAway, doesNotAsk, isAway, doesNotAsk, doesNotAsk]);
	t.deepEqual(answers.slice(0, 3), [true, true, false]);
	t.is(changes(), 3);
});

test('while the proof is good a refusal is asked for once in ten minutes only', async (t) => {
	let now = 0;
	const { enforcement, statuses } = await played(t, [asks, asks, asks], () => now);
	t.deepEqual(statuses.slice(0, 3), [403, 200, 200]);
	now += 10 * 60_000;
	await enforcement.prove();
	t.is(statuses.at(-1), 403);
	await enforcement.prove();
	t.is(statuses.at(-1), 200);
});

test('an engine that stops obeying is found out within ten minutes', async (t) => {
	let now = 0;
	const { enforcement } = await played(t, [asks, doesNotObey], () => now);
	t.is(await enforcement.prove(), true);
	now += 10 * 60_000;
	t.is(await enforcement.prove(), false);
});

test('each proof begins after it was asked for, and those who ask meanwhile share one', async (t) => {
	const calls: Array<() => void> = [];
	const enforcement: Enforcement = startEnforcement({
		call: (nonce) => new Promise((resolve) => calls.push(() => resolve(enforcement.saw(nonce) ? 200 : 403))),
		onAnswer: () => undefined,
		logger: silentLogger,
	});
	t.teardown(() => enforcement.close());
	t.is(calls.length, 1, 'the first begins by itself');
	const proofs = [enforcement.prove(), enforcement.prove(), enforcement.prove()];
	calls[0]!();
	while (calls.length < 2) await null;
	const late = enforcement.prove();
	calls[1]!();
	t.deepEqual(await Promise.all(proofs), [true, true, true]);
	while (calls.length < 3) await null;
	calls[2]!();
	t.is(await late, true);
	t.is(calls.length, 3);
	t.deepEqual(enforcement.counts(), { positive: 3, negative: 0, unanswered: 0 });
});

test('an engine that acted without asking and then falls silent is no engine that starts', async (t) => {
	const { enforcement } = await played(t, [doesNotAsk, isAway]);
	t.is(await enforcement.prove(), false);
	t.is(enforcement.inChain(), null);
});

test('an engine that asked and then falls silent may be starting again', async (t) => {
	const { enforcement } = await played(t, [asks, isAway]);
	t.is(await enforcement.prove(), null);
});

test('an engine that is too busy to answer, but asks, is no engine that starts', async (t) => {
	const { enforcement } = await played(t, [asks, async (it) => (it.asked(), isAway(it, ''))]);
	t.is(await enforcement.prove(), true);
	t.is(enforcement.inChain(), null);
});

test('what the engine asked before does not count for a later proof', async (t) => {
	const { enforcement } = await played(t, [asks, isAway]);
	enforcement.asked();
	t.is(await enforcement.prove(), null);
});

test('an engine that once acted without asking has to prove it, however much it asks', async (t) => {
	const { enforcement } = await played(t, [doesNotAsk, async (it) => (it.asked(), isAway(it, ''))]);
	t.is(await enforcement.prove(), false);
});

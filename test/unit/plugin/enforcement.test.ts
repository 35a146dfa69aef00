import test, { type ExecutionContext } from 'ava';
import { silentLogger } from '#common/runtime/log.ts';
import { startEnforcement, type Enforcement } from '../../../plugin/enforcement.ts';

type Engine = (enforcement: Enforcement, nonce: string) => Promise<void>;

const asks: Engine = async (enforcement, nonce) => enforcement.saw(nonce);
const doesNotAsk: Engine = async () => undefined;
const isAway: Engine = () => Promise.reject(new Error('ECONNREFUSED'));

/** Plays one engine after the other; the last one stays. `played` resolves when all had their turn. */
async function played(t: ExecutionContext, engines: readonly Engine[]) {
	const { promise, resolve } = Promise.withResolvers<void>();
	const answers: boolean[] = [];
	let turn = 0;
	const enforcement: Enforcement = startEnforcement({
		// Not before the function has returned the enforcement that the engine talks to.
		call: async (nonce) => {
			await null;
			const engine = engines[Math.min(turn++, engines.length - 1)]!;
			if (turn > engines.length) resolve();
			await engine(enforcement, nonce);
		},
		onAnswer: (again) => void answers.push(again),
		logger: silentLogger,
	});
	t.teardown(() => enforcement.close());
	await promise;
	return { enforcement, answers };
}

test('a call that comes by proves the chain', async (t) => {
	const { enforcement } = await played(t, [asks]);
	t.is(enforcement.inChain(), true);
	t.true(enforcement.engineAnswered());
});

test('an answer without a question disproves it', async (t) => {
	const { enforcement } = await played(t, [doesNotAsk]);
	t.is(enforcement.inChain(), false);
	t.true(enforcement.engineAnswered());
});

test('an engine that does not answer proves nothing', async (t) => {
	const { enforcement, answers } = await played(t, [isAway]);
	t.is(enforcement.inChain(), null);
	t.false(enforcement.engineAnswered());
	t.deepEqual(answers, []);
});

test('the nonce of another call proves nothing', async (t) => {
	const { enforcement } = await played(t, [async (it) => it.saw('0'.repeat(32))]);
	t.is(enforcement.inChain(), false);
});

test('it is told when the engine answers again', async (t) => {
	const { answers } = await played(t, [isAway, doesNotAsk, isAway, doesNotAsk, doesNotAsk]);
	t.deepEqual(answers, [true, true, false]);
});

import test from 'ava';
import type { MintedToken } from '#common/protocol/messages.ts';
import { createEarlyTokens } from '../../../../plugin/volume/early-tokens.ts';
import { identityRecord } from '../../../fakes/identity-record.ts';

const TTL_MS = 120_000;

/** A CA whose clock and ours go together; `answers` are those of the tokens that were asked for. */
function world({ ttlMs = TTL_MS } = {}) {
	const clock = { now: 0 };
	const asked: string[] = [];
	const answers: PromiseWithResolvers<void>[] = [];
	let starts = 0;
	const tokens = createEarlyTokens({
		mint: async ({ containerId }, startId): Promise<MintedToken> => {
			asked.push(containerId);
			const answer = Promise.withResolvers<void>();
			answers.push(answer);
			const expiresAt = new Date(clock.now + ttlMs).toISOString();
			await answer.promise;
			return { token: `token of ${startId}`, expiresAt };
		},
		newStartId: () => `start-${++starts}`,
		now: () => clock.now,
		clock: () => clock.now,
	});
	return { tokens, clock, asked, answers };
}

const container = (index: number) => identityRecord({ containerId: index.toString(16).padStart(64, '0') });

test('a token waits for a start that an engine under load comes to late', async (t) => {
	const { tokens, clock, answers } = world();
	tokens.expect(container(1));
	answers[0]!.resolve();
	clock.now = 29_000;
	const { startId, token } = tokens.take(container(1));
	t.deepEqual([startId, await token], ['start-1', 'token of start-1']);
	t.is(await tokens.take(container(1)).token, undefined, 'it is given once');
});

test('a token that does not live long waits for a start not as long', async (t) => {
	const { tokens, clock, answers } = world({ ttlMs: 20_000 });
	for (const [index, seconds, given] of [[0, 4, true], [1, 5, false]] as const) {
		const begun = clock.now;
		tokens.expect(container(1));
		answers[index]!.resolve();
		await new Promise(setImmediate);
		clock.now = begun + seconds * 1000;
		t.is((await tokens.take(container(1)).token) !== undefined, given, `${seconds} s`);
	}
});

test('of more starts than there is room for, the first keep what was asked for them', async (t) => {
	const { tokens, clock, asked } = world();
	for (let index = 0; index < 201; index++) tokens.expect(container(index));
	t.is(asked.length, 200);
	t.is(tokens.take(container(0)).startId, 'start-1');
	tokens.expect(container(201));
	t.is(asked.at(-1), container(201).containerId);
	clock.now = 30_000;
	tokens.expect(container(202));
	t.is(asked.at(-1), container(202).containerId, 'those that nobody came for make room');
});

test('the CA is asked again when it did not answer', async (t) => {
	const { tokens, asked, answers } = world();
	tokens.expect(container(1));
	tokens.expect(container(1));
	t.is(asked.length, 1);
	answers[0]!.reject(new Error('away'));
	await new Promise(setImmediate);
	tokens.expect(container(1));
	t.is(asked.length, 2);
});

test('what will not do is waited for: made after the one that takes its place it would end that', async (t) => {
	const { tokens, answers } = world();
	tokens.expect(container(1));
	const { token } = tokens.take({ ...container(1), containerName: 'renamed' });
	const settled = token.then(() => 'settled');
	t.is(await Promise.race([settled, new Promise((resolve) => setImmediate(resolve, 'open'))]), 'open');
	answers[0]!.resolve();
	t.is(await settled, 'settled');
	t.is(await token, undefined);
});

import test from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { retryWhileUnavailable } from '../../../agent/retry.ts';

/** A clock that moves when somebody sleeps. */
function clockwork(random = 1) {
	let now = 0;
	const sleeps: number[] = [];
	const deps = {
		clock: { now: () => new Date(now) },
		random: () => random,
		logger: silentLogger,
		async sleep(milliseconds: number, signal: AbortSignal) {
			if (signal.aborted) throw signal.reason;
			sleeps.push(milliseconds);
			now += milliseconds;
		},
	};
	return { deps, sleeps };
}
const away = () => Promise.reject(new BirthmarkError('ca-unavailable'));
const never = new AbortController().signal;

test('pauses double up to a ceiling and end with the deadline', async (t) => {
	const { deps, sleeps } = clockwork();
	await t.throwsAsync(retryWhileUnavailable(away, new Date(30_000), never, deps), { instanceOf: BirthmarkError });
	t.deepEqual(sleeps.slice(0, 7), [200, 400, 800, 1600, 3200, 4000, 4000]);
	t.true(sleeps.reduce((sum, value) => sum + value, 0) <= 30_000);
});

test('jitter never shortens a pause below half', async (t) => {
	const { deps, sleeps } = clockwork(0);
	await t.throwsAsync(retryWhileUnavailable(away, new Date(1000), never, deps), { instanceOf: BirthmarkError });
	t.deepEqual(sleeps, [100, 200, 400]);
});

test('success after failures is success', async (t) => {
	const { deps } = clockwork();
	let attempts = 0;
	t.is(await retryWhileUnavailable(async () => (++attempts < 3 ? away() : 'here'), new Date(30_000), never, deps), 'here');
});

test('a refusal is thrown at once', async (t) => {
	const { deps, sleeps } = clockwork();
	const refused = new BirthmarkError('token-used');
	t.is(await t.throwsAsync(retryWhileUnavailable(() => Promise.reject(refused), new Date(30_000), never, deps)), refused);
	t.deepEqual(sleeps, []);
});

test('an interruption ends the pause', async (t) => {
	const { deps } = clockwork();
	const reason = new Error('stop');
	t.is(await t.throwsAsync(retryWhileUnavailable(away, new Date(30_000), AbortSignal.abort(reason), deps)), reason);
});

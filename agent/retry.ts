/** Trying again while the CA is away: exponential back-off with jitter, under one deadline. */

import { errorCode, type ErrorCode } from '#common/protocol/errors.ts';
import type { Clock } from '#common/runtime/clock.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Sleep } from './sleep.ts';

export interface RetryDeps {
	readonly clock: Clock;
	/** 0 ≤ x < 1 */
	readonly random: () => number;
	readonly sleep: Sleep;
	readonly logger: Pick<Logger, 'info'>;
}

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 4_000;
const PASSING: readonly ErrorCode[] = ['ca-unavailable', 'source-shut-out'];

/**
 * Runs the operation until it succeeds. Only a CA that is away, or does not hear this address for a
 * while, is tried again; what the CA refused stays refused.
 *
 * @param deadline no new attempt begins after it
 * @throws the last error
 */
export async function retryWhileUnavailable<T>(operation: () => Promise<T>, deadline: Date, signal: AbortSignal, deps: RetryDeps): Promise<T> {
	for (let ceiling = FIRST_DELAY_MS; ; ceiling = Math.min(ceiling * 2, MAX_DELAY_MS)) {
		try {
			return await operation();
		} catch (error) {
			// Half of the delay is certain, so that jitter never turns into a busy loop.
			const delay = ceiling / 2 + (deps.random() * ceiling) / 2;
			if (!PASSING.includes(errorCode(error)) || deps.clock.now().getTime() + delay > deadline.getTime()) throw error;
			deps.logger.info('the CA could not be reached, trying again', { seconds: delay / 1000, error });
			await deps.sleep(delay, signal);
		}
	}
}

/** Waiting, as a dependency, and waiting for an instant of the wall clock. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#common/runtime/clock.ts';

/** Resolves after the time; rejects with the signal's reason when it is aborted before. */
export type Sleep = (milliseconds: number, signal: AbortSignal) => Promise<void>;

export const systemSleep: Sleep = async (milliseconds, signal) => {
	try {
		await delay(milliseconds, undefined, { signal });
	} catch (error) {
		throw signal.aborted ? signal.reason : error;
	}
};

/** Resolves when the signal is aborted, and at once when it is already. */
export function untilAborted(signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		if (signal.aborted) resolve();
		else signal.addEventListener('abort', () => resolve(), { once: true });
	});
}

/** Timers stand still while a machine is suspended; the wall clock is looked at this often. */
const LONGEST_STEP_MS = 60_000;

export interface SleepUntilDeps {
	/** asked at every look at the clock: something else may end the wait */
	readonly isOver?: () => boolean;
	readonly clock: Clock;
	readonly sleep: Sleep;
	/** called once, at the first look at the clock of a long sleep: what came before has left garbage, and nobody waits */
	readonly tidyUp?: () => void;
}

/**
 * Resolves when the clock shows the instant or later, at most a minute late after a suspend; and once the
 * time until then has been slept, whatever a clock that was set back meanwhile shows.
 */
export async function sleepUntil(instant: Date, signal: AbortSignal, { clock, sleep, isOver, tidyUp }: SleepUntilDeps): Promise<void> {
	const byClock = () => instant.getTime() - clock.now().getTime();
	let isTidy = false;
	for (let bySleep = byClock(); ;) {
		const step = Math.min(byClock(), bySleep, LONGEST_STEP_MS);
		if (step <= 0 || isOver?.()) return;
		await sleep(step, signal);
		bySleep -= step;
		if (!isTidy && step === LONGEST_STEP_MS) tidyUp?.();
		isTidy = true;
	}
}

/** Collects garbage, with what the runtime offers for it, and gives memory back. */
export function collectGarbage(): void {
	(globalThis as { readonly Bun?: { gc(synchronous: boolean): void } }).Bun?.gc(true);
}

/** Work that is done again and again while a program runs. */

export interface Repetition {
	/** Resolves when nothing is being done any more, and nothing will be. */
	stop(): Promise<void>;
}

/**
 * Does the work at each interval, but never twice at once: what takes longer is waited for.
 *
 * @param onError what becomes of a failure; the work is done again all the same
 */
export function repeat(intervalMs: number, work: () => Promise<unknown>, onError: (error: unknown) => void): Repetition {
	let running: Promise<unknown> | undefined;
	const timer = setInterval(() => {
		running ??= work().catch(onError).finally(() => (running = undefined));
	}, intervalMs);
	return {
		async stop() {
			clearInterval(timer);
			await running;
		},
	};
}

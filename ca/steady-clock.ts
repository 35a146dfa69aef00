/**
 * Whether the clock may decide what is forgotten for good. A clock that runs ahead for a moment would
 * have the CA forget certificates that are still valid, and with them that they were revoked.
 */

/** More than a clock that is being slewed gains or loses between two looks. */
const MAX_STEP_MS = 60_000;
/** Long enough for a time service to notice, or for somebody who set a wrong date. */
const STEADY_FOR_MS = 3600_000;

/**
 * @param monotonicMs a clock that nobody sets
 * @returns a function to be called regularly: true when the clock has gone on for an hour without a step
 */
export function watchClock(clock: { now(): Date }, monotonicMs: () => number = () => performance.now()): () => boolean {
	let since = monotonicMs();
	let offset = clock.now().getTime() - since;
	return () => {
		const at = monotonicMs();
		const current = clock.now().getTime() - at;
		if (Math.abs(current - offset) > MAX_STEP_MS) since = at;
		offset = current;
		return at - since >= STEADY_FOR_MS;
	};
}

/**
 * Whether the clock may decide what cannot be taken back. A clock that runs ahead for a moment would
 * have the CA forget certificates that are still valid, and with them that they were revoked; or end a
 * rotation, because everything under the old keys seems to have ended.
 */

/** `steady`: it has gone on for an hour without a step. `set`: within the last hour it was set. `new`: it has not been watched for that long. */
export type ClockState = 'steady' | 'new' | 'set';

/** More than a clock that is being slewed gains or loses between two looks. */
const MAX_STEP_MS = 60_000;
/** Long enough for a time service to notice, or for somebody who set a wrong date. */
const STEADY_FOR_MS = 3600_000;

/**
 * @param monotonicMs a clock that nobody sets
 * @returns a function to be called regularly
 */
export function watchClock(clock: { now(): Date }, monotonicMs: () => number = () => performance.now()): () => ClockState {
	let since = monotonicMs();
	let wasSet = false;
	let offset = clock.now().getTime() - since;
	return () => {
		const at = monotonicMs();
		const current = clock.now().getTime() - at;
		if (Math.abs(current - offset) > MAX_STEP_MS) {
			since = at;
			wasSet = true;
		}
		offset = current;
		return at - since >= STEADY_FOR_MS ? 'steady' : wasSet ? 'set' : 'new';
	};
}

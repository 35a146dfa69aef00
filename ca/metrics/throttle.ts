/** A value that costs something to look up, shared by whoever asks for it within a while. */

/** A look-up that takes long is made rarely: it takes at most a fiftieth of the time. */
const REST = 50;
const MIN_AGE_MS = 1000;

/** @returns a function that calls `work`, or gives back what came of it the last time */
export function createThrottle(monotonic: () => number = () => performance.now()): <T>(work: () => Promise<T>) => Promise<T> {
	let last: { readonly value: Promise<unknown>; goodUntil: number } | undefined;
	return async <T>(work: () => Promise<T>): Promise<T> => {
		if (last && monotonic() < last.goodUntil) return last.value as Promise<T>;
		const begun = monotonic();
		const value = work();
		const entry = { value, goodUntil: Infinity };
		last = entry;
		try {
			return await value;
		} catch (error) {
			if (last === entry) last = undefined;
			throw error;
		} finally {
			const took = monotonic() - begun;
			entry.goodUntil = begun + took + Math.max(MIN_AGE_MS, took * REST);
		}
	};
}

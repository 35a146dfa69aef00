/**
 * Failures per source in a sliding window, and who is shut out for how long. Memory is bounded: a flood
 * of sources makes the ledger forget the ones that failed longest ago, apart from those that are shut out.
 */

export interface LedgerSettings {
	readonly windowSeconds: number;
	/** so many within the window and the source is shut out */
	readonly failures: number;
	/** the first time; each further time twice as long */
	readonly shutOutSeconds: number;
	/** never longer; after so long without a failure a source begins anew */
	readonly maximumSeconds: number;
	/** how many sources are remembered */
	readonly sources: number;
}

const SWEEP_INTERVAL_MS = 1000;

/** Times in milliseconds of a clock that never jumps. */
interface Entry {
	/** failures of the window before and of the one that began at `windowStart`: two numbers stand for all the instants */
	before: number;
	now: number;
	windowStart: number;
	/** how often it was shut out */
	level: number;
	until: number;
	lastFailure: number;
}

export interface Ledger {
	/** @returns for how many more seconds the source is shut out, 0 when it is not */
	remaining(key: string): number;
	/** Counts a failure. @returns for how many seconds it shuts the source out from now on, 0 when it does not */
	fail(key: string): number;
	/** how many sources are shut out now */
	shutOut(): number;
	/** how many are remembered */
	size(): number;
}

/**
 * @param settings asked at every use, so that they may change
 * @param monotonic milliseconds, e.g. `performance.now`
 */
export function createLedger(settings: () => LedgerSettings, monotonic: () => number): Ledger {
	// A Map keeps the order of insertion: an entry that fails is moved to the end, so the first is the one to forget.
	const watched = new Map<string, Entry>();
	const out = new Map<string, Entry>();
	let sweptAt = monotonic();

	const find = (key: string): Entry | undefined => watched.get(key) ?? out.get(key);
	const remainingOf = (entry: Entry): number => Math.max(0, Math.ceil((entry.until - monotonic()) / 1000));
	const forgetFirst = (entries: Map<string, Entry>): void => void entries.delete(entries.keys().next().value!);

	/** Those that came out again go back to the watched ones, where their level is remembered until they are quiet for long. */
	const sweep = (): void => {
		sweptAt = monotonic();
		for (const [key, entry] of out) {
			if (remainingOf(entry) > 0) continue;
			out.delete(key);
			watched.set(key, entry);
		}
	};
	const bound = (): void => {
		// Not at every failure: it looks at each source that is shut out.
		if (monotonic() - sweptAt >= SWEEP_INTERVAL_MS) sweep();
		// Half for each: neither can a crowd of the shut out keep others from being counted.
		const half = Math.ceil(settings().sources / 2);
		while (watched.size > half) forgetFirst(watched);
		while (out.size > half) forgetFirst(out);
	};

	const slide = (entry: Entry, now: number, windowMs: number): void => {
		const passed = Math.floor((now - entry.windowStart) / windowMs);
		if (passed <= 0) return;
		entry.before = passed === 1 ? entry.now : 0;
		entry.now = 0;
		entry.windowStart += passed * windowMs;
	};

	return {
		remaining(key) {
			const entry = out.get(key);
			return entry ? remainingOf(entry) : 0;
		},
		fail(key) {
			const { windowSeconds, failures, shutOutSeconds, maximumSeconds } = settings();
			const [now, windowMs] = [monotonic(), windowSeconds * 1000];
			const known = find(key);
			if (known && remainingOf(known) > 0) return 0;
			const isForgiven = !known || now - Math.max(known.lastFailure, known.until) > Math.max(windowMs, maximumSeconds * 1000);
			const entry = isForgiven ? { before: 0, now: 0, windowStart: now, level: 0, until: 0, lastFailure: now } : known;
			slide(entry, now, windowMs);
			entry.now++;
			entry.lastFailure = now;
			watched.delete(key);
			out.delete(key);
			// Of the window before counts as much as the sliding one still covers.
			const covered = entry.before * (1 - (now - entry.windowStart) / windowMs) + entry.now;
			if (covered < failures) {
				watched.set(key, entry);
				bound();
				return 0;
			}
			const seconds = Math.min(maximumSeconds, shutOutSeconds * 2 ** Math.min(entry.level, 30));
			entry.level++;
			entry.until = now + seconds * 1000;
			entry.before = entry.now = 0;
			out.set(key, entry);
			bound();
			return seconds;
		},
		shutOut() {
			sweep();
			return out.size;
		},
		size: () => watched.size + out.size,
	};
}

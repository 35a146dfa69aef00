/**
 * Names under which containers were asked about a moment ago, and names that labelled containers are
 * about to get. The engine looks a name up again after a call was judged: were the container with an
 * identity renamed in between to the name of one without, the call would reach it unjudged (45).
 *
 * So such a rename waits until the engine has acted on what was judged before, and what is judged
 * from then on is judged as if the name were given already.
 */

import { setTimeout as sleep } from 'node:timers/promises';

/** From a judgement to the moment in which the engine looks the name up: milliseconds, on a busy host seconds. */
const IN_FLIGHT_MS = 10_000;
/** A rename waits for the container's lock. */
const RENAME_MS = 10 * 60_000;
/** With more, every rename of a labelled container waits as if its name had been asked about. */
const MAX_ASKED = 10_000;
const MAX_COMING = 1_000;

export interface AskedNamesDeps {
	/** milliseconds that only go forward */
	readonly now: () => number;
	readonly wait: (ms: number) => Promise<unknown>;
}

export type AskedNames = ReturnType<typeof createAskedNames>;

export function createAskedNames({ now, wait }: AskedNamesDeps = { now: () => performance.now(), wait: (ms) => sleep(ms) }) {
	const asked = new Map<string, number>();
	let manyAskedAt = -Infinity;
	const coming = new Map<string, { readonly containerId: string; readonly since: number }>();

	return {
		/** To be called before the engine is asked. @returns the labelled container that is about to get this name */
		ask(name: string): string | undefined {
			if (asked.size >= MAX_ASKED && !asked.has(name)) {
				asked.clear();
				manyAskedAt = now();
			}
			asked.set(name, now());
			const { containerId, since = -Infinity } = coming.get(name) ?? {};
			if (now() - since < RENAME_MS) return containerId;
			coming.delete(name);
			return undefined;
		},
		/** A labelled container is to get this name. @returns when everything that was judged by it before has happened */
		async give(name: string, containerId: string): Promise<void> {
			const last = Math.max(asked.get(name) ?? -Infinity, manyAskedAt);
			coming.delete(name);
			coming.set(name, { containerId, since: now() });
			if (coming.size > MAX_COMING) coming.delete(coming.keys().next().value!);
			const rest = last + IN_FLIGHT_MS - now();
			if (rest > 0) await wait(rest);
		},
	};
}

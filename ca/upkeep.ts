/** What a CA that runs has to do of its own accord: take over changes, go on with a rotation, publish, and forget what is over. */

import type { Refusals } from './audit/refusals.ts';
import type { Rotation } from './issuance/rotate.ts';
import type { RevocationLists } from './revocation/lists.ts';
import { watchClock } from './steady-clock.ts';
import type { Store } from './store/store.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Tokens are kept this long after their end, so that whoever comes late is told what happened. */
const TOKEN_MEMORY_MS = DAY_MS;
/** How much is forgotten in one transaction, and how many of them at one time: 100 000 a minute. */
const PORTION = 500;
const MAX_PORTIONS = 200;
const FORGET_EVERY_MS = 60_000;

export interface UpkeepDeps {
	readonly store: Pick<Store, 'forgetTokens' | 'forgetTokenUses' | 'forgetExpired'>;
	readonly refusals: Pick<Refusals, 'tellLeftOut'>;
	readonly rotation: Pick<Rotation, 'advance'>;
	readonly lists: Pick<RevocationLists, 'refresh'>;
	/** takes over what this or another instance has changed in the CA's keys */
	readonly follow: () => Promise<void>;
	/** `retention.expiredDays`, asked at every use */
	readonly expiredDays: () => number;
	readonly clock: { now(): Date };
}

/** @returns a function to be called every few seconds: clocks jump and machines sleep, so what is due is found by looking, not by one long timer */
export function createUpkeep({ store, refusals, rotation, lists, follow, expiredDays, clock }: UpkeepDeps): () => Promise<void> {
	const watch = watchClock(clock);
	let forgottenAt = new Date(0);
	return async () => {
		const now = clock.now();
		const before = (milliseconds: number): Date => new Date(now.getTime() - milliseconds);
		await follow();
		const clockState = watch();
		// By a clock that runs ahead everything old has ended, and what a rotation leaves behind is gone for good.
		if (clockState !== 'set') await rotation.advance();
		await lists.refresh();
		await refusals.tellLeftOut();
		await store.forgetTokens(before(TOKEN_MEMORY_MS));
		await store.forgetTokenUses(before(TOKEN_MEMORY_MS));
		if (clockState === 'steady' && Math.abs(now.getTime() - forgottenAt.getTime()) >= FORGET_EVERY_MS) {
			await forgetExpired(store, before(expiredDays() * DAY_MS));
			forgottenAt = now;
		}
	};
}

/** In portions, between which others get their turn. */
async function forgetExpired(store: Pick<Store, 'forgetExpired'>, before: Date): Promise<void> {
	for (let portion = 0; portion < MAX_PORTIONS; portion++) {
		if ((await store.forgetExpired(before, PORTION)) < PORTION) return;
	}
}

/**
 * The revocation lists that the CA publishes (RFC 5280 §5): the intermediate's, made anew at every
 * revocation and from time to time, and the root's, made once with the CA.
 */

import { signRevocationList } from '#common/x509/crl.ts';
import { encodePem } from '#common/x509/pem.ts';
import type { Authorities } from '../issuance/authorities.ts';
import type { Store } from '../store/store.ts';

export interface PublishedList {
	readonly number: number;
	/** the intermediate's list */
	readonly der: Buffer;
	/** every list of the CA: verifiers that check the whole chain need the root's too */
	readonly pem: string;
	readonly madeAt: Date;
}

export interface RevocationLists {
	current(): PublishedList;
	/** The list that covers every revocation so far: waits for one that is being made, and makes up for one that failed. */
	latest(): Promise<PublishedList>;
	/** Resolves when a list is out that was begun after this call. */
	publish(): Promise<PublishedList>;
	/** Publishes when the present list is older than its refresh time or from the future, or a later one could not be made. */
	refresh(): Promise<void>;
}

export interface RevocationListDeps {
	readonly store: Pick<Store, 'nextRevocationList'>;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly clock: { now(): Date };
	readonly refreshSeconds: number;
	readonly lifetimeSeconds: number;
	readonly backdateSeconds: number;
}

/** Publishes a first list, which covers whatever was revoked before the process last ended. */
export async function openRevocationLists(deps: RevocationListDeps): Promise<RevocationLists> {
	const { store, authorities, clock, refreshSeconds, lifetimeSeconds, backdateSeconds } = deps;
	const make = async (): Promise<PublishedList> => {
		const madeAt = clock.now();
		const { issuer, rootRevocationList } = authorities.current().active;
		// RFC 5280 §3.3: an entry stays until it was on a list made after its certificate's end. In the life of a list there is one.
		const { number, entries } = await store.nextRevocationList(new Date(madeAt.getTime() - lifetimeSeconds * 1000));
		const der = signRevocationList({
			number,
			entries,
			thisUpdate: new Date(madeAt.getTime() - backdateSeconds * 1000),
			nextUpdate: new Date(madeAt.getTime() + lifetimeSeconds * 1000),
		}, issuer);
		return { number, der, pem: encodePem('X509 CRL', der) + rootRevocationList, madeAt };
	};

	let current = await make();
	let isStale = false;
	let running: Promise<unknown> = Promise.resolve();
	let waiting: Promise<PublishedList> | undefined;
	// Many revocations at once share one list: the one that has not begun to be made yet.
	const publish = (): Promise<PublishedList> => {
		waiting ??= running.then(async () => {
			waiting = undefined;
			isStale = true;
			const made = make();
			running = made.catch(() => undefined);
			current = await made;
			isStale = false;
			return current;
		});
		return waiting;
	};
	return {
		current: () => current,
		publish,
		async latest() {
			await (waiting ?? running);
			return isStale ? publish() : current;
		},
		async refresh() {
			const ageSeconds = (clock.now().getTime() - current.madeAt.getTime()) / 1000;
			// Where the clock was set back, the list is not valid yet.
			if (isStale || ageSeconds >= refreshSeconds || ageSeconds < -backdateSeconds) await publish();
		},
	};
}

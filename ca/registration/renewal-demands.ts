/**
 * Renewals on demand, and the nodes that wait for them: each holds one request open until there is a
 * demand, so that it hears of it at once. Demands of other instances of this CA are found by looking at
 * one number of the database now and then, as long as anybody waits.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { NodeDemands, RenewalDemandRequest } from '#common/protocol/renewal-demands.ts';
import { repeat, type Repetition } from '#common/runtime/repeat.ts';
import type { Actor } from '../store/records.ts';
import type { DemandProgress, DemandSelector, Store } from '../store/store.ts';

/** How late a demand of another instance may be heard of. */
const LOOK_MS = 500;
/** How many of those that were not renewed are shown. */
const SHOWN = 20;

export interface RenewalDemandsDeps {
	readonly store: Pick<Store, 'demandRenewal' | 'lastDemand' | 'listDemands' | 'demandProgress' | 'revokeReplaced'>;
	readonly clock: { now(): Date };
}

export interface RenewalDemands {
	/** @throws BirthmarkError `request-malformed` unless it says exactly one way */
	demand(request: RenewalDemandRequest, by: Actor): Promise<DemandProgress>;
	/** @throws BirthmarkError `not-found` */
	progress(number: number): Promise<DemandProgress>;
	/** Revokes what was renewed since. @returns how many. @throws BirthmarkError `not-found` */
	revokeReplaced(number: number, by: Actor): Promise<number>;
	/** Waits until there is one for this node after that of the number. Another call for the same node ends the wait. */
	next(node: string, after: number, waitMs: number): Promise<NodeDemands>;
	/** Ends every wait; nobody waits from now on. */
	close(): Promise<void>;
}

/** Lives as long as the process. */
export function createRenewalDemands({ store, clock }: RenewalDemandsDeps): RenewalDemands {
	const waiting = new Map<string, { readonly after: number; readonly wake: () => void }>();
	let looking: Repetition | undefined;
	let isClosed = false;
	const wakeAll = (): void => {
		for (const { wake } of waiting.values()) wake();
	};
	const look = async (): Promise<void> => {
		const last = await store.lastDemand();
		for (const { after, wake } of waiting.values()) if (after !== last) wake();
	};

	/** Resolves when something may have changed, or the time is over. */
	async function wait(node: string, after: number, milliseconds: number): Promise<void> {
		waiting.get(node)?.wake();
		if (isClosed) return;
		// What fails here fails in the request that is woken.
		looking ??= repeat(LOOK_MS, look, wakeAll);
		const { promise, resolve: wake } = Promise.withResolvers<void>();
		const waiter = { after, wake };
		waiting.set(node, waiter);
		const timer = setTimeout(wake, milliseconds);
		await promise;
		clearTimeout(timer);
		if (waiting.get(node) === waiter) waiting.delete(node);
		if (waiting.size === 0) {
			void looking?.stop();
			looking = undefined;
		}
	}

	async function demandsOf(node: string, after: number): Promise<NodeDemands> {
		const number = await store.lastDemand();
		// A database that comes from a backup may be behind what the node has heard.
		const since = number < after ? 0 : after;
		return { number, demands: number === since ? [] : await store.listDemands(node, since, clock.now()) };
	}

	async function progress(number: number): Promise<DemandProgress> {
		const found = await store.demandProgress(number, clock.now(), SHOWN);
		if (!found) throw new BirthmarkError('not-found', 'nothing was ever demanded under this number');
		return found;
	}

	return {
		async demand(request, by) {
			const { number } = await store.demandRenewal(selectorOf(request), clock.now(), by);
			wakeAll();
			return progress(number);
		},
		progress,
		async revokeReplaced(number, by) {
			await progress(number);
			return store.revokeReplaced(number, clock.now(), by);
		},
		async next(node, after, waitMs) {
			const first = await demandsOf(node, after);
			if (first.number !== after || waitMs <= 0) return first;
			await wait(node, after, waitMs);
			return demandsOf(node, after);
		},
		async close() {
			isClosed = true;
			wakeAll();
			await looking?.stop();
		},
	};
}

function selectorOf({ serial, containerId, commonName, node, all }: RenewalDemandRequest): DemandSelector {
	const given: DemandSelector[] = [];
	if (serial !== undefined) given.push({ by: 'serial', value: serial });
	if (containerId !== undefined) given.push({ by: 'containerId', value: containerId });
	if (commonName !== undefined) given.push({ by: 'commonName', value: commonName });
	if (node !== undefined) given.push({ by: 'node', value: node });
	if (all) given.push({ by: 'all' });
	const [selector] = given;
	if (selector === undefined || given.length > 1) {
		throw new BirthmarkError('request-malformed', 'say what to renew by exactly one of serial, containerId, commonName, node and all');
	}
	return selector;
}

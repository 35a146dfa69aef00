/**
 * Renewals on demand: the plugin waits at the CA, by one request that the CA holds open, for what its
 * containers are to renew, and tells the agent of each by a file on the volume.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '#common/protocol/errors.ts';
import { MAX_DEMAND_WAIT_SECONDS, type NodeDemands } from '#common/protocol/renewal-demands.ts';
import type { Logger } from '#common/runtime/log.ts';

/** How soon a node with identities begins to wait, and how often at most it asks a CA that does not hold the request. */
const INTERVAL_MS = 1_000;
const LAST_RETRY_MS = 8_000;
/** Whoever is told renews at once, and all of a node share its connections to the CA: so many are told in one interval. */
const TOLD_AT_ONCE = 100;

export interface RenewalDemandsDeps {
	readonly ca: { renewalDemands(after: number, waitSeconds: number): Promise<NodeDemands> };
	/** are there volumes to write to? */
	readonly isWanted: () => boolean;
	/** The certificate of this serial number is to be renewed now. Not waited for: an agent that cannot be told now must not hold up the others. */
	readonly onDemand: (demand: NodeDemands['demands'][number]) => void;
	readonly logger: Pick<Logger, 'debug' | 'info'>;
	readonly intervalMs?: number;
}

export interface RenewalDemandsWatch {
	close(): void;
}

/** What was demanded while the plugin was away is found by its first question. */
export function watchRenewalDemands({ ca, isWanted, onDemand, logger, intervalMs = INTERVAL_MS }: RenewalDemandsDeps): RenewalDemandsWatch {
	let after = 0;
	let closed = false;
	let timer: NodeJS.Timeout | undefined;
	let retryMs = intervalMs;

	async function turn(): Promise<void> {
		if (!isWanted()) return again(intervalMs);
		const began = performance.now();
		try {
			const { number, demands } = await ca.renewalDemands(after, MAX_DEMAND_WAIT_SECONDS);
			if (closed) return;
			if (demands.length > 0) logger.info('renewal demanded', { count: demands.length });
			for (let start = 0; start < demands.length && !closed; start += TOLD_AT_ONCE) {
				if (start > 0) await sleep(intervalMs);
				demands.slice(start, start + TOLD_AT_ONCE).forEach(onDemand);
			}
			after = number;
			retryMs = intervalMs;
			again(Math.max(0, intervalMs - (performance.now() - began)));
		} catch (error) {
			logger.debug('demands for renewals are not heard of', { code: errorCode(error) });
			again(retryMs);
			retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
		}
	}

	function again(delayMs: number): void {
		if (!closed) timer = setTimeout(() => void turn(), delayMs);
	}

	again(intervalMs);
	return {
		close() {
			closed = true;
			clearTimeout(timer);
		},
	};
}

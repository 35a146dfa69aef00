/**
 * Delivers to the CA what it must hear about the end of starts and containers: in order, from the
 * durable outbox, again and again until the CA has taken it. After a failure it goes on with the
 * message after that, so that none keeps the others waiting. Each may arrive twice; both calls are
 * idempotent. The engine has the first moment after an end for itself (docs/adr/0042).
 */

import { errorCode, type ErrorCode } from '#common/protocol/errors.ts';
import type { Authorization, AuthorizeRequest, RevokeRequest } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { OutboxEntry } from './records.ts';

/** On a small host the CA's work would keep the engine from finishing with the container. */
const SETTLE_MS = 60;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** Answers that another attempt would get as well: the CA has forgotten it, or ended it before us. */
const FINAL: readonly ErrorCode[] = ['authorization-unknown', 'authorization-ended', 'not-found', 'request-malformed'];
/** The CA would not authorize it any more either, so what it may have of it is good for nothing. */
const NEVER_AUTHORIZED: readonly ErrorCode[] = ['name-not-allowed', 'name-illegal', 'authorization-conflict', 'forbidden'];

export interface OutboxDeps {
	readonly records: { nextInOutbox(after?: number): OutboxEntry | undefined; removeFromOutbox(id: number): void };
	readonly ca: {
		authorize(request: AuthorizeRequest): Promise<Authorization>;
		revoke(request: RevokeRequest): Promise<void>;
		endAuthorization(authorizationId: string): Promise<void>;
	};
	/** something was revoked */
	readonly onDelivered: () => void;
	/** from the news to their delivery */
	readonly settleMs?: number;
	readonly logger: Logger;
}

export interface Outbox {
	/** There is something new. */
	wake(): void;
	close(): void;
}

export function startOutbox({ records, ca, onDelivered, settleMs = SETTLE_MS, logger }: OutboxDeps): Outbox {
	let retryMs = FIRST_RETRY_MS;
	let timer: NodeJS.Timeout | undefined;
	let settling: NodeJS.Timeout | undefined;
	/** the message that failed last */
	let failed = 0;
	let running = false;
	let closed = false;

	const next = (): OutboxEntry | undefined => records.nextInOutbox(failed) ?? records.nextInOutbox();

	async function run(): Promise<void> {
		if (running || closed) return;
		running = true;
		clearTimeout(timer);
		let entry: OutboxEntry | undefined;
		try {
			for (entry = next(); entry && !closed; entry = next()) {
				await deliver(entry);
				if (closed) return;
				records.removeFromOutbox(entry.id);
				retryMs = FIRST_RETRY_MS;
				onDelivered();
			}
		} catch (error) {
			if (closed) return;
			failed = entry?.id ?? 0;
			logger.warn('a revocation could not be delivered, trying again', { code: errorCode(error), seconds: retryMs / 1000, error });
			timer = setTimeout(() => void run(), retryMs);
			retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
		} finally {
			running = false;
		}
	}

	async function deliver(entry: OutboxEntry): Promise<void> {
		if ('abandoned' in entry) return endAbandoned(entry.abandoned);
		const { authorizationId, startId } = entry;
		try {
			if (startId === undefined) await ca.endAuthorization(authorizationId);
			else await ca.revoke({ authorizationId, startId, reason: 'cessationOfOperation' });
			logger.info(startId === undefined ? 'authorization ended' : 'start revoked', { authorizationId, ...(startId !== undefined && { startId }) });
		} catch (error) {
			if (!FINAL.includes(errorCode(error) as ErrorCode)) throw error;
			logger.warn('the CA does not know what should be revoked', { authorizationId, error });
		}
	}

	/**
	 * Asked again, the CA says under which id it has the authorization, or makes it now: in either case it
	 * ends, and a first request that is still on its way finds it ended.
	 */
	async function endAbandoned(request: AuthorizeRequest): Promise<void> {
		try {
			const { id } = await ca.authorize(request);
			if (id === undefined) return;
			await ca.endAuthorization(id);
			logger.info('the authorization of a container that got no identity ended', { containerId: request.containerId ?? '', authorizationId: id });
		} catch (error) {
			if (![...FINAL, ...NEVER_AUTHORIZED].includes(errorCode(error) as ErrorCode)) throw error;
			logger.info('the CA has no authorization of a container that got no identity', { containerId: request.containerId ?? '', code: errorCode(error) });
		}
	}

	void run();
	return {
		wake: () => {
			settling ??= setTimeout(() => {
				settling = undefined;
				void run();
			}, settleMs);
		},
		close: () => {
			closed = true;
			clearTimeout(settling);
			clearTimeout(timer);
		},
	};
}

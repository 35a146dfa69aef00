/**
 * Seals the audit log: every second what was decided meanwhile becomes part of the hash chain. Any
 * instance of the CA may do it, and several at once do not disturb each other.
 */

import { formatAuditHead, type AuditHead } from '#common/protocol/audit-chain.ts';
import type { Logger } from '#common/runtime/log.ts';
import { repeat } from '#common/runtime/repeat.ts';
import type { AuditStore } from '../store/store.ts';

const INTERVAL_MS = 1000;
/** A transaction as short as those of the callers who wait beside it. */
const BATCH = 250;
/** How often the head is said in the log, when it has moved: a log that is kept elsewhere bears witness of it. */
const ANNOUNCE_MS = 60_000;

export interface Sealer {
	/** Seals all that waits now. @returns the head afterwards */
	seal(): Promise<AuditHead>;
	/** Seals all that waits and says the head in the log a last time. */
	stop(): Promise<void>;
}

export interface SealerDeps {
	readonly store: Pick<AuditStore, 'sealEvents' | 'countPendingEvents' | 'auditHead'>;
	readonly logger: Pick<Logger, 'info' | 'error'>;
}

/** Begins at once. */
export function startSealer({ store, logger }: SealerDeps): Sealer {
	let running: Promise<AuditHead> | undefined;
	let announced: AuditHead | undefined;
	let announcedAt = performance.now();
	const announce = (head: AuditHead): void => {
		if (head.sequence === (announced?.sequence ?? 0)) return;
		announced = head;
		announcedAt = performance.now();
		logger.info('audit log sealed', { head: formatAuditHead(head) });
	};
	const drain = async (): Promise<AuditHead> => {
		// A CA that has nothing to do writes nothing.
		if ((await store.countPendingEvents()) === 0) return store.auditHead();
		for (;;) {
			const { sealed, head } = await store.sealEvents(BATCH);
			if (sealed === BATCH) continue;
			if (performance.now() - announcedAt >= ANNOUNCE_MS) announce(head);
			return head;
		}
	};
	const seal = async (): Promise<AuditHead> => {
		// What was decided before this call may have come too late for the run under way.
		await running?.catch(() => {});
		running ??= drain().finally(() => (running = undefined));
		return running;
	};
	const repetition = repeat(INTERVAL_MS, seal, (error) => logger.error('the audit log could not be sealed', { error }));
	return {
		seal,
		async stop() {
			await repetition.stop();
			announce(await seal());
		},
	};
}

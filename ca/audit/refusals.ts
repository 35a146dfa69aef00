/**
 * Refusals in the audit log. What was refused changed nothing, so it has no transaction to be recorded
 * in; and whoever likes can cause refusals, so only so many of one source are written out in a minute,
 * and the rest is counted.
 */

import type { Logger } from '#common/runtime/log.ts';
import type { Actor, AuditEvent } from '../store/records.ts';
import type { AuditStore } from '../store/store.ts';

const WINDOW_MS = 60_000;
const RECORDED_PER_WINDOW = 60;
/** How many sources are told apart; beyond that the one that was quiet longest is forgotten with its count. */
const MAX_SOURCES = 5000;

export interface Refusals {
	/** Resolves when it is recorded or counted; a store that does not work is logged, because the refusal holds in any case. */
	record(by: Actor, refusal: Pick<AuditEvent, 'action' | 'details'>): Promise<void>;
}

export interface RefusalsDeps {
	readonly store: Pick<AuditStore, 'addEvent'>;
	readonly clock: { now(): Date };
	readonly logger: Pick<Logger, 'error'>;
}

interface Window {
	begun: number;
	recorded: number;
	unrecorded: number;
}

export function createRefusals({ store, clock, logger }: RefusalsDeps): Refusals {
	const windows = new Map<string, Window>();
	/** @returns how many were left out before this one; undefined when this one is left out */
	const admit = (key: string, now: number): number | undefined => {
		let window = windows.get(key) ?? { begun: now, recorded: 0, unrecorded: 0 };
		windows.delete(key);
		// Also when the clock was set back.
		if (Math.abs(now - window.begun) >= WINDOW_MS) window = { begun: now, recorded: 0, unrecorded: window.unrecorded };
		windows.set(key, window);
		if (windows.size > MAX_SOURCES) windows.delete(windows.keys().next().value!);
		if (window.recorded >= RECORDED_PER_WINDOW) {
			window.unrecorded++;
			return undefined;
		}
		window.recorded++;
		const { unrecorded } = window;
		window.unrecorded = 0;
		return unrecorded;
	};
	return {
		async record(by, { action, details }) {
			const at = clock.now();
			// Nodes share the address of their containers, and a certificate is more than an address.
			const unrecorded = admit(by.role === 'anonymous' ? by.source ?? '' : `${by.role} ${by.name}`, at.getTime());
			if (unrecorded === undefined) return;
			try {
				await store.addEvent(by, { at, action, outcome: 'refused', details: { ...details, ...(unrecorded > 0 && { unrecorded }) } });
			} catch (error) {
				logger.error('a refusal could not be recorded in the audit log', { error });
			}
		},
	};
}

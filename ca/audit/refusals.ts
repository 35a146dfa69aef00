/**
 * Refusals in the audit log. What was refused changed nothing, so it has no transaction to be recorded
 * in; and whoever likes can cause refusals, so only so many of one source are written out in a minute,
 * and the rest is counted.
 */

import type { Logger } from '#common/runtime/log.ts';
import { addressSource } from '../defence/source.ts';
import type { Actor, AuditEvent } from '../store/records.ts';
import type { AuditStore } from '../store/store.ts';

const WINDOW_MS = 60_000;
const RECORDED_PER_WINDOW = 60;
/** Of all the anonymous together: somebody may have any number of addresses, and the log is never shortened. */
const RECORDED_OF_STRANGERS = 600;
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
	let strangers: Window = { begun: 0, recorded: 0, unrecorded: 0 };
	const windowOf = (key: string, now: number): Window => {
		const window = current(windows.get(key), now);
		windows.delete(key);
		windows.set(key, window);
		if (windows.size > MAX_SOURCES) windows.delete(windows.keys().next().value!);
		return window;
	};
	/** @returns how many were left out before this one; undefined when this one is left out */
	const admit = (by: Actor, now: number): number | undefined => {
		const isStranger = by.role === 'anonymous';
		// Nodes share the address of their containers, and a certificate is more than an address.
		const window = windowOf(isStranger ? addressSource(by.source ?? '').key : `${by.role} ${by.name}`, now);
		if (isStranger) strangers = current(strangers, now);
		if (window.recorded >= RECORDED_PER_WINDOW || (isStranger && strangers.recorded >= RECORDED_OF_STRANGERS)) {
			window.unrecorded++;
			return undefined;
		}
		window.recorded++;
		if (isStranger) strangers.recorded++;
		const { unrecorded } = window;
		window.unrecorded = 0;
		return unrecorded;
	};
	return {
		async record(by, { action, details }) {
			const at = clock.now();
			const unrecorded = admit(by, at.getTime());
			if (unrecorded === undefined) return;
			try {
				await store.addEvent(by, { at, action, outcome: 'refused', details: { ...details, ...(unrecorded > 0 && { unrecorded }) } });
			} catch (error) {
				logger.error('a refusal could not be recorded in the audit log', { error });
			}
		},
	};
}

/** The window that it is now, also when the clock was set back. */
function current(window: Window | undefined, now: number): Window {
	if (window && Math.abs(now - window.begun) < WINDOW_MS) return window;
	return { begun: now, recorded: 0, unrecorded: window?.unrecorded ?? 0 };
}

/**
 * Refusals in the audit log, and who is shut out for them. What was refused changed nothing, so it has
 * no transaction to be recorded in; and whoever likes can cause refusals, so only so many of one source
 * are written out in a minute, and how many were left out is recorded once a minute.
 */

import type { Logger } from '#common/runtime/log.ts';
import { addressSource } from '../defence/source.ts';
import { SYSTEM, type Actor, type AuditEvent } from '../store/records.ts';
import type { AuditStore } from '../store/store.ts';

const WINDOW_MS = 60_000;
const RECORDED_PER_WINDOW = 60;
/** Of all the anonymous together: somebody may have any number of addresses, and the log is never shortened. */
const RECORDED_OF_STRANGERS = 600;
/** How many sources are told apart; beyond that the one that was quiet longest is forgotten. */
const MAX_SOURCES = 5000;

export interface Refusals {
	/** Resolves when it is recorded or counted; a store that does not work is logged, because the refusal holds in any case. */
	record(by: Actor, event: Omit<AuditEvent, 'at'>): Promise<void>;
	/** Records how many were left out, if any were and it is time to. @param isLast whether nobody will call this again */
	tellLeftOut(isLast?: boolean): Promise<void>;
}

export interface RefusalsDeps {
	readonly store: Pick<AuditStore, 'addEvent'>;
	readonly clock: { now(): Date };
	readonly logger: Pick<Logger, 'error'>;
}

interface Window {
	readonly begun: number;
	recorded: number;
}

export function createRefusals({ store, clock, logger }: RefusalsDeps): Refusals {
	const windows = new Map<string, Window>();
	let strangers: Window = { begun: 0, recorded: 0 };
	let leftOut = 0;
	let toldAt = clock.now().getTime();
	const windowOf = (key: string, now: number): Window => {
		const window = current(windows.get(key), now);
		windows.delete(key);
		windows.set(key, window);
		if (windows.size > MAX_SOURCES) windows.delete(windows.keys().next().value!);
		return window;
	};
	const isWrittenOut = (by: Actor, now: number): boolean => {
		const isStranger = by.role === 'anonymous';
		// Nodes share the address of their containers, and a certificate is more than an address.
		const window = windowOf(isStranger ? addressSource(by.source ?? '').key : `${by.role} ${by.name}`, now);
		if (isStranger) strangers = current(strangers, now);
		if (window.recorded >= RECORDED_PER_WINDOW || (isStranger && strangers.recorded >= RECORDED_OF_STRANGERS)) return false;
		window.recorded++;
		if (isStranger) strangers.recorded++;
		return true;
	};
	const add = async (by: Actor, event: AuditEvent): Promise<boolean> => {
		try {
			await store.addEvent(by, event);
			return true;
		} catch (error) {
			logger.error('a refusal could not be recorded in the audit log', { error });
			return false;
		}
	};
	return {
		async record(by, event) {
			const at = clock.now();
			if (isWrittenOut(by, at.getTime())) await add(by, { ...event, at });
			else leftOut++;
		},
		async tellLeftOut(isLast = false) {
			const at = clock.now();
			if (leftOut === 0 || (!isLast && !isOver(toldAt, at.getTime()))) return;
			const count = leftOut;
			if (!(await add(SYSTEM, { at, action: 'refusals.left-out', outcome: 'done', details: { count } }))) return;
			leftOut -= count;
			toldAt = at.getTime();
		},
	};
}

/** The window that it is now. */
function current(window: Window | undefined, now: number): Window {
	return window && !isOver(window.begun, now) ? window : { begun: now, recorded: 0 };
}

/** Also when the clock was set back. */
function isOver(begun: number, now: number): boolean {
	return Math.abs(now - begun) >= WINDOW_MS;
}

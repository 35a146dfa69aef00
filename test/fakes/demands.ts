/** Demands for renewals as a test makes them, without a directory. */

import type { Demands } from '../../agent/demand.ts';

export interface FakeDemands extends Demands {
	demand(serial: string): void;
	readonly isClosed: () => boolean;
}

export function fakeDemands(): FakeDemands {
	let demanded: string | undefined;
	let isClosed = false;
	let waiting = new AbortController();
	return {
		demand(serial) {
			demanded = serial;
			waiting.abort();
			waiting = new AbortController();
		},
		take(isInUse) {
			const serial = demanded;
			demanded = undefined;
			return serial !== undefined && isInUse(serial);
		},
		next: () => waiting.signal,
		close: () => void (isClosed = true),
		isClosed: () => isClosed,
	};
}

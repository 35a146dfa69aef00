/** As much of a watch as those need who follow it. */

import type { Duplex } from 'node:stream';
import type { Identity } from './identity.ts';

export interface Followed {
	readonly current: Identity;
	/** @throws BirthmarkError `identity-expired` */
	requireValid(): Identity;
	/** Ends a connection whose peer is revoked later. */
	track(socket: Duplex): void;
	on(event: 'change', listener: (identity: Identity) => void): unknown;
	off(event: 'change', listener: (identity: Identity) => void): unknown;
}

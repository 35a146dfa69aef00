/** The connections that are open, by the certificate of the peer, so that those of a revoked one can be ended at once. */

import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Identity } from './identity.ts';

export interface Connections {
	/** Ends with it when its peer is, or is later, revoked. To be called when the handshake is over. */
	track(socket: Duplex): void;
	endRevoked(identity: Identity): void;
}

/** @param current the identity with the newest revocation list */
export function createConnections(current: () => Identity): Connections {
	const bySerial = new Map<string, Set<TLSSocket>>();

	function end(serial: string): void {
		for (const socket of bySerial.get(serial) ?? []) socket.destroy();
	}

	return {
		track(socket) {
			if (!(socket instanceof TLSSocket) || socket.destroyed) return;
			const serial = socket.getPeerX509Certificate()?.serialNumber.toLowerCase();
			if (serial === undefined) return;
			const sockets = bySerial.get(serial) ?? new Set();
			bySerial.set(serial, sockets.add(socket));
			socket.once('close', () => {
				sockets.delete(socket);
				if (sockets.size === 0 && bySerial.get(serial) === sockets) bySerial.delete(serial);
			});
			// The list may have changed while the handshake was under way with the one before.
			if (current().isRevoked(serial)) end(serial);
		},
		endRevoked(identity) {
			for (const serial of [...bySerial.keys()]) if (identity.isRevoked(serial)) end(serial);
		},
	};
}

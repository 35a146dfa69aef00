/**
 * The connections of all relays together. Each node has a bounded number of them at the CA, and memory for
 * so many here. Who comes when there is no room gets that of a container that has the most: one that takes
 * all that it may keeps no other out.
 */

import type { Socket } from 'node:net';

/** The CA gives an address 512 (`limits.connectionsPerAddress`), and the plugin's own calls are among them. */
const CONNECTIONS = 256;

export interface RelayPool {
	/** @param open the clients of one relay, oldest first; the new one is not among them yet */
	makeRoom(open: ReadonlySet<Socket>): void;
	/** @returns a set of clients that counts */
	join(): Set<Socket>;
	leave(open: Set<Socket>): void;
}

export function createRelayPool(connections = CONNECTIONS): RelayPool {
	const relays = new Set<Set<Socket>>();
	return {
		makeRoom(own) {
			let total = 0;
			let largest = own;
			for (const open of relays) {
				total += open.size;
				if (open.size > largest.size) largest = open;
			}
			if (total < connections) return;
			const [oldest] = largest;
			oldest?.destroy();
		},
		join() {
			const open = new Set<Socket>();
			relays.add(open);
			return open;
		},
		leave: (open) => void relays.delete(open),
	};
}

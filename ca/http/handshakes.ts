/**
 * Connections that are not TLS yet, which HTTP knows nothing of: how long they may take, and their
 * end. Node has a limit of its own, but one that stays as it was when the server was made.
 */

import type { Server } from 'node:https';
import type { Server as AnyServer, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

const pending = new WeakMap<AnyServer, Map<string, Socket>>();

/** @param seconds asked at each new connection */
export function limitHandshakes(server: Server, seconds: () => number): void {
	const sockets = new Map<string, Socket>();
	pending.set(server, sockets);
	const idOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
	server.on('connection', (socket: Socket) => {
		const id = idOf(socket);
		sockets.set(id, socket);
		const timer = setTimeout(() => {
			if (sockets.get(id) === socket) socket.destroy();
		}, seconds() * 1000);
		socket.once('close', () => {
			clearTimeout(timer);
			if (sockets.get(id) === socket) sockets.delete(id);
		});
	});
	server.on('secureConnection', (socket: TLSSocket) => sockets.delete(idOf(socket)));
}

/** Cuts them off; on a server without TLS there are none. */
export function endHandshakes(server: AnyServer): void {
	for (const socket of pending.get(server)?.values() ?? []) socket.destroy();
}

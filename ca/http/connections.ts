/**
 * How many connections one address may hold open. Whole hosts, with all their containers, have one
 * address: so when it has too many, the oldest of those goes that have proved nothing and do nothing,
 * and whoever connects next is let in. Who only holds connections open loses them; who uses them, or
 * has shown a certificate, does not.
 */

import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { addressSource } from '../defence/source.ts';

interface Connection {
	readonly socket: Socket;
	isProved: boolean;
	/** how many of its requests are being answered */
	requests: number;
}

/** @param limit asked at each new connection */
export function limitConnections(server: HttpServer | HttpsServer, limit: () => number): void {
	/** per address, the oldest first, by the client's port */
	const open = new Map<string, Map<string, Connection>>();
	const find = ({ remoteAddress, remotePort }: Socket): Connection | undefined => {
		return remoteAddress === undefined ? undefined : open.get(addressSource(remoteAddress).key)?.get(`${remoteAddress} ${remotePort}`);
	};
	server.prependListener('connection', (socket: Socket) => {
		const { remoteAddress, remotePort } = socket;
		// It has gone already.
		if (remoteAddress === undefined) return;
		const key = addressSource(remoteAddress).key;
		const ofAddress = open.get(key) ?? new Map<string, Connection>();
		open.set(key, ofAddress);
		if (ofAddress.size >= limit()) {
			const [idle] = [...ofAddress.values()].filter(({ isProved, requests }) => !isProved && requests === 0);
			(idle?.socket ?? socket).destroy();
			if (!idle) return;
		}
		const id = `${remoteAddress} ${remotePort}`;
		const connection = { socket, isProved: false, requests: 0 };
		ofAddress.set(id, connection);
		socket.once('close', () => {
			if (ofAddress.get(id) === connection) ofAddress.delete(id);
			if (ofAddress.size === 0 && open.get(key) === ofAddress) open.delete(key);
		});
	});
	server.on('secureConnection', (socket: TLSSocket) => {
		const connection = find(socket);
		if (connection) connection.isProved = socket.authorized;
	});
	server.on('request', (request: IncomingMessage, response: ServerResponse) => {
		const connection = find(request.socket);
		if (!connection) return;
		connection.requests++;
		response.once('close', () => connection.requests--);
	});
}

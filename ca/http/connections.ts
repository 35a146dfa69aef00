/**
 * How many connections one address may hold open. Whole hosts, with all their containers, have one
 * address: so when it has too many, one of those goes that can be missed most easily, and whoever
 * connects next is let in. None can be missed on whose requests the CA is at work; of the others, one
 * goes of whoever holds the most. So nobody is kept away by somebody else at his address, whether that
 * one says nothing, sends slowly, does not read, or has a certificate.
 */

import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { addressSource } from '../defence/source.ts';

interface Connection {
	readonly socket: Socket;
	/** subject of the certificate that was shown */
	identity: string | undefined;
	/** those that are not over: an answer is when the client has read it, or as much as fits on the way */
	readonly requests: Map<IncomingMessage, ServerResponse>;
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
			const missed = leastMissed([...ofAddress]);
			if (!missed) return void socket.destroy();
			const [id, connection] = missed;
			connection.socket.destroy();
			// Not when it has closed, or those who come until then would have it destroyed again.
			ofAddress.delete(id);
		}
		const id = `${remoteAddress} ${remotePort}`;
		const connection: Connection = { socket, identity: undefined, requests: new Map() };
		ofAddress.set(id, connection);
		socket.once('close', () => {
			if (ofAddress.get(id) === connection) ofAddress.delete(id);
			if (ofAddress.size === 0 && open.get(key) === ofAddress) open.delete(key);
		});
	});
	server.on('secureConnection', (socket: TLSSocket) => {
		const connection = find(socket);
		if (connection && socket.authorized) connection.identity = socket.getPeerX509Certificate()?.subject;
	});
	server.on('request', (request: IncomingMessage, response: ServerResponse) => {
		const requests = find(request.socket)?.requests;
		requests?.set(request, response);
		response.once('close', () => requests?.delete(request));
	});
}

type Entry = readonly [id: string, connection: Connection];

/**
 * Whoever has proved nothing counts as one with all the others who have not: an address where somebody
 * hoards with a certificate must not lose its newest connections, which are still to prove theirs.
 *
 * @param connections the oldest first
 */
function leastMissed(connections: readonly Entry[]): Entry | undefined {
	const held = Map.groupBy(connections, ([, { identity }]) => identity);
	const waiting = connections.filter(([, connection]) => !isAtWork(connection));
	const heldBy = ([, { identity }]: Entry): number => held.get(identity)!.length;
	const most = Math.max(...waiting.map(heldBy));
	const candidates = waiting.filter((entry) => heldBy(entry) === most);
	return candidates.find(([, { requests }]) => requests.size === 0) ?? candidates[0];
}

/** Whether a request has come whole and its answer is not made yet; all else waits for the client. */
function isAtWork({ requests }: Connection): boolean {
	return [...requests].some(([request, response]) => request.complete && !response.writableEnded);
}

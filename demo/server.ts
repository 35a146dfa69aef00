/**
 * The service: mutual TLS on one port, and an answer that names both sides. It follows rotations and
 * revocations without a restart and without dropping a connection.
 */

import { createServer, type Server } from 'node:https';
import { identity, peerIdentity } from 'birthmark/client';
import { describeParty } from './party.ts';

/**
 * @param write one line of log, JSON
 * @returns the listening server
 * @throws BirthmarkError when there is no whole identity in time
 */
export async function startServer(directory: string, port: number, write: (line: string) => void, timeoutMs?: number): Promise<Server> {
	const log = (event: string, fields: object) => write(JSON.stringify({ time: new Date().toISOString(), event, ...fields }));
	const me = await identity({ directory, ...(timeoutMs !== undefined && { timeoutMs }) });
	const server = me.follow(createServer(me.serverOptions(), (request, response) => {
		const caller = describeParty(peerIdentity(request));
		response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ service: describeParty(me.current), caller }) + '\n');
		log('answered', { method: request.method, caller: caller.spiffeId });
	}));
	server.on('tlsClientError', (error: Error & { code?: string }, socket) => {
		log('refused', { reason: String(socket.authorizationError ?? error.code ?? error.message), address: socket.remoteAddress });
	});
	me.on('change', ({ serial }) => log('identity loaded', { serial }));
	me.on('problem', (error) => log('identity not loaded, the one before stays', { code: error.code, reason: error.message }));
	server.on('close', () => me.close());
	server.listen(port, () => log('listening', { port }));
	return server;
}

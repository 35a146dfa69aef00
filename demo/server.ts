/**
 * The service: mutual TLS on one port, and an answer that names both sides. It follows rotations and
 * revocations without a restart and without dropping a connection.
 */

import { X509Certificate } from 'node:crypto';
import { watch } from 'node:fs';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { loadTlsOptions, partyOf } from './identity.ts';

/** Several files change at once; they are read when it has been quiet for so long. */
const SETTLE_MS = 50;

/**
 * @param write one line of log, JSON
 * @returns the listening server
 */
export function startServer(directory: string, port: number, write: (line: string) => void) {
	const log = (event: string, fields: object) => write(JSON.stringify({ time: new Date().toISOString(), event, ...fields }));
	let options = loadTlsOptions(directory);
	const server = createServer({ ...options, requestCert: true, rejectUnauthorized: true }, (request, response) => {
		const caller = partyOf((request.socket as TLSSocket).getPeerCertificate());
		const service = partyOf(new X509Certificate(options.cert as Buffer).toLegacyObject());
		// One request a connection: whoever was revoked meanwhile is checked again at the next.
		response.writeHead(200, { 'Content-Type': 'application/json', 'Connection': 'close' }).end(JSON.stringify({ service, caller }) + '\n');
		log('answered', { method: request.method, caller: caller.spiffeId });
	});
	server.on('tlsClientError', (error: Error & { code?: string }, socket) => {
		log('refused', { reason: String(socket.authorizationError ?? error.code ?? error.message), address: socket.remoteAddress });
	});

	const reload = () => {
		try {
			options = loadTlsOptions(directory);
			server.setSecureContext(options);
			log('identity loaded', { serial: new X509Certificate(options.cert as Buffer).serialNumber.toLowerCase() });
		} catch (error) {
			log('identity not loaded, the one before stays', { reason: String(error) });
		}
	};
	let timer: NodeJS.Timeout | undefined;
	const watcher = watch(directory, () => {
		clearTimeout(timer);
		timer = setTimeout(reload, SETTLE_MS);
	});
	server.on('close', () => {
		watcher.close();
		clearTimeout(timer);
	});
	server.listen(port, () => log('listening', { port }));
	return server;
}

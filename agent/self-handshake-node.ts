/** The handshake with oneself by node:tls, over a pipe of streams. */

import type { TLSSocket } from 'node:tls';
import { lately } from './lately.ts';
import type { Credentials } from './self-handshake.ts';

/** As `shakeHandsWithSelf` says; the signal's reason when it takes too long. */
export async function shakeHandsOnNode({ key, chain, bundle }: Credentials, serverName: string | undefined, signal: AbortSignal): Promise<void> {
	const { connect, createServer } = lately('node:tls');
	const [serverEnd, clientEnd] = lately('node:stream').duplexPair();
	const open: TLSSocket[] = [];
	try {
		await new Promise<void>((resolve, reject) => {
			signal.addEventListener('abort', () => reject(signal.reason));
			const shared = { key, cert: chain, ca: bundle };
			// Not refused by the server itself, which would end the connection without a reason.
			const server = createServer({ ...shared, requestCert: true, rejectUnauthorized: false });
			server.on('tlsClientError', reject);
			server.on('secureConnection', (socket) => {
				open.push(socket);
				socket.on('error', reject);
				if (socket.authorized) resolve();
				else reject(new Error(`as a client certificate: ${String(socket.authorizationError)}`));
			});
			server.emit('connection', serverEnd);
			const asServer = serverName === undefined ? { rejectUnauthorized: false } : { servername: serverName, rejectUnauthorized: true };
			const client = connect({ ...shared, ...asServer, socket: clientEnd });
			open.push(client);
			client.on('error', reject);
		});
	} finally {
		for (const socket of open) socket.destroy();
	}
}

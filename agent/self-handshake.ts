/**
 * The identity put to use before anyone sees it: a mutual TLS handshake with itself, in memory.
 *
 * Both ends present the new certificate and trust the bundle only, so that the TLS library decides
 * whether key and certificate belong together, the chain builds, dates and key usages hold as
 * client *and* as server, and the name is in it. Of a certificate for clients only, the end that is the
 * client is checked. Path validation is not written by hand here (RFC 5280 §6 has too many ways to be
 * nearly right).
 */

import { duplexPair } from 'node:stream';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { Identity } from './identity.ts';

const TIMEOUT_MS = 5_000;

/**
 * @param serverName a DNS name that the certificate must be valid for; undefined for one that is for clients only
 * @throws the TLS library's error, whichever end found the fault
 */
export async function shakeHandsWithSelf({ key, chain, bundle }: Pick<Identity, 'key' | 'chain' | 'bundle'>, serverName: string | undefined): Promise<void> {
	const [serverEnd, clientEnd] = duplexPair();
	const open: TLSSocket[] = [];
	let timer: NodeJS.Timeout | undefined;
	try {
		await new Promise<void>((resolve, reject) => {
			timer = setTimeout(() => reject(new Error('the handshake took too long')), TIMEOUT_MS);
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
		clearTimeout(timer);
		for (const socket of open) socket.destroy();
	}
}

/** The connection to the CA by node:tls. */

import { lately } from './lately.ts';
import type { SecureConnection, SecureConnectionEvents, SecureConnectionOptions } from './secure-connection.ts';

/** As `openSecureConnection` says. */
export function openOnNode({ address, serverName, trust, credentials }: SecureConnectionOptions, { connected, secure, data, failed }: SecureConnectionEvents): SecureConnection {
	const socket = lately('node:tls').connect({
		...('socketPath' in address ? { path: address.socketPath } : address),
		// No pool, no session: every connection proves itself anew.
		servername: serverName,
		minVersion: 'TLSv1.2',
		// Said in so many words, because NODE_TLS_REJECT_UNAUTHORIZED of the application must not decide it.
		...(trust === 'unverified' ? { rejectUnauthorized: false } : { rejectUnauthorized: true, ca: trust }),
		...(credentials && { key: credentials.key, cert: credentials.chain }),
	});
	socket.once('connect', connected);
	socket.once('secureConnect', secure);
	socket.on('data', data);
	socket.on('error', failed);
	socket.on('close', () => failed(new Error('the answer broke off')));
	return { write: (text) => void socket.write(text), close: () => void socket.destroy() };
}

/** The connection to the CA by Bun's own TLS sockets. */

import { peerFault, type Bun, type BunSocket } from './bun.ts';
import type { SecureConnection, SecureConnectionEvents, SecureConnectionOptions } from './secure-connection.ts';

/** As `openSecureConnection` says. */
export function openOnBun(bun: Bun, { address, serverName, trust, credentials }: SecureConnectionOptions, { connected, secure, data, failed }: SecureConnectionEvents): SecureConnection {
	let socket: BunSocket | undefined;
	let unsent: Buffer = Buffer.alloc(0);
	let isClosed = false;
	const send = (): void => {
		// Negative when the connection has gone, which is said elsewhere.
		const taken = unsent.length > 0 && socket && !isClosed ? socket.write(unsent) : 0;
		unsent = unsent.subarray(Math.max(0, taken));
	};
	const close = (): void => {
		isClosed = true;
		socket?.close();
	};
	const fail = (error: Error): void => {
		if (isClosed) return;
		close();
		failed(error);
	};
	const broke = (): void => fail(new Error('the answer broke off'));
	bun.connect({
		...('socketPath' in address ? { unix: address.socketPath } : { hostname: address.host, port: address.port }),
		tls: {
			serverName,
			...(trust === 'unverified' ? { rejectUnauthorized: false } : { rejectUnauthorized: true, ca: trust }),
			...(credentials && { key: credentials.key, cert: credentials.chain }),
		},
		socket: {
			open(opened) {
				socket = opened;
				if (isClosed) close();
				else connected();
			},
			handshake(shaken, isDone, error) {
				if (isClosed) return;
				// Then a name that is not the server's counts as not done; what really is not done is closed next.
				if (trust === 'unverified') return secure();
				const fault = peerFault(shaken, error) ?? (isDone ? undefined : new Error('the handshake failed'));
				if (fault) fail(fault);
				else secure();
			},
			data: (_, bytes) => void (isClosed || data(bytes)),
			drain: send,
			end: broke,
			close: (_, error) => (error ? fail(error) : broke()),
			error: (_, error) => fail(error),
			connectError: (_, error) => fail(error),
		},
	}).catch(fail);
	return {
		write(text) {
			unsent = Buffer.concat([unsent, Buffer.from(text)]);
			send();
		},
		close,
	};
}

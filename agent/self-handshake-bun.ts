/** The handshake with oneself by Bun's own TLS sockets, over a pair of sockets that nobody else can reach. */

import { closeSync } from 'node:fs';
import { peerFault, type Bun, type BunHandlers, type BunSocket } from './bun.ts';
import type { Native } from './native.ts';
import type { Credentials } from './self-handshake.ts';

export interface BunHandshakeDeps {
	readonly bun: Pick<Bun, 'connect'>;
	readonly native: Pick<Native, 'socketPair'>;
}

/** As `shakeHandsWithSelf` says; the signal's reason when it takes too long. */
export async function shakeHandsOnBun({ bun, native }: BunHandshakeDeps, { key, chain, bundle }: Credentials, serverName: string | undefined, signal: AbortSignal): Promise<void> {
	const [serverEnd, clientEnd] = native.socketPair();
	const shared = { ...(key !== undefined && { key }), ...(chain !== undefined && { cert: chain }), ca: bundle };
	// A key that is none, or another certificate's, is refused before the socket is taken.
	const untaken = new Set([serverEnd, clientEnd]);
	const connect: Bun['connect'] = (options) => {
		const connecting = bun.connect(options);
		if ('fd' in options) untaken.delete(options.fd);
		return connecting;
	};
	const open: BunSocket[] = [];
	try {
		const plain = await connect({ fd: serverEnd, socket: { data() {} } });
		open.push(plain);
		await new Promise<void>((resolve, reject) => {
			signal.addEventListener('abort', () => reject(signal.reason));
			const waitingFor = new Set(serverName === undefined ? ['server'] : ['server', 'client']);
			const handlers = (end: 'server' | 'client', faultOf: typeof peerFault): BunHandlers => ({
				data() {},
				handshake(socket, isDone, error) {
					if (!waitingFor.has(end)) return;
					const fault = faultOf(socket, error);
					if (fault || !isDone) return reject(fault ?? new Error('the handshake failed'));
					waitingFor.delete(end);
					if (waitingFor.size === 0) resolve();
				},
				close: () => reject(new Error('the handshake broke off')),
				error: (_, error) => reject(error),
			});
			const client = handlers('client', peerFault);
			const server = handlers('server', (socket, error) => {
				const fault = peerFault(socket, error);
				return fault && new Error(`as a client certificate: ${fault.message}`, { cause: fault });
			});
			// Not refused by the server itself, which would end the connection without a reason.
			open.push(...plain.upgradeTLS({ isServer: true, tls: { ...shared, requestCert: true, rejectUnauthorized: false }, socket: server }));
			// Of a certificate for clients only, what the server finds is all that counts.
			const asServer = serverName === undefined ? { rejectUnauthorized: false } : { serverName, rejectUnauthorized: true };
			connect({ fd: clientEnd, tls: { ...shared, ...asServer }, socket: client }).then((socket) => void open.push(socket)).catch(reject);
		});
	} finally {
		for (const socket of open) socket.close();
		for (const fd of untaken) closeSync(fd);
	}
}

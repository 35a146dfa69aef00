/**
 * The unix socket on an identity volume, relayed byte for byte to the CA. TLS runs end to end between
 * agent and CA: what passes here is ciphertext, and the container needs no network.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import { listenUnix } from '#common/runtime/listen.ts';
import type { Logger } from '#common/runtime/log.ts';

export interface RelayLimits {
	readonly connections: number;
	/** a connection on which nothing moves is cut */
	readonly idleMs: number;
	/** of one connection, both directions together */
	readonly bytes: number;
}

/** An enrolment takes two connections and 20 KiB; a bundle with CRL well under 1 MiB. */
export const RELAY_LIMITS: RelayLimits = { connections: 8, idleMs: 60_000, bytes: 8 * 1024 * 1024 };

export interface Relay {
	/** Cuts all connections and removes the socket. */
	close(): Promise<void>;
}

export interface RelayDeps {
	readonly target: { readonly host: string; readonly port: number };
	readonly logger: Pick<Logger, 'debug'>;
	readonly limits?: RelayLimits;
}

/**
 * @param directory the volume's mount point; its permissions decide who may connect
 * @throws Error when the socket cannot be made
 */
export async function openRelay({ target, logger, limits = RELAY_LIMITS }: RelayDeps, directory: string): Promise<Relay> {
	const open = new Set<Socket>();
	const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
		const upstream = connect({ ...target, allowHalfOpen: true });
		for (const socket of [client, upstream]) {
			open.add(socket);
			socket.on('close', () => open.delete(socket));
		}
		splice(client, upstream, limits, (error) => logger.debug('a relayed connection broke', { error }));
	});
	server.maxConnections = limits.connections;
	await listenIn(server, directory);
	// Without a listener an accept that fails, e.g. for want of file descriptors, would end the plugin.
	server.on('error', (error) => logger.debug('a connection could not be relayed', { error }));
	return {
		async close() {
			for (const socket of open) socket.destroy();
			await new Promise<void>((resolve) => server.close(() => resolve()));
		},
	};
}

/** Passes bytes and ends both ways; an error or a broken limit on one side ends both. */
function splice(a: Socket, b: Socket, limits: RelayLimits, onError: (error: Error) => void): void {
	let bytes = 0;
	for (const [from, to] of [[a, b], [b, a]] as const) {
		from.pipe(to);
		from.on('data', (chunk: Buffer) => {
			bytes += chunk.length;
			if (bytes > limits.bytes) from.destroy(new Error('too many bytes'));
		});
		from.setTimeout(limits.idleMs, () => from.destroy(new Error('idle')));
		from.on('error', onError);
		from.on('close', (broken) => (broken ? to.destroy() : to.end()));
	}
}

/** Anybody who reaches the directory may connect. It belongs to the container, which may have put anything in the socket's place. */
async function listenIn(server: Server, directory: string): Promise<void> {
	const path = join(directory, VolumeFile.relaySocket);
	rmSync(path, { force: true });
	await listenUnix(server, path, 0o666);
}

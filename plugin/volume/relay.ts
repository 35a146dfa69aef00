/**
 * The unix socket on an identity volume, relayed byte for byte to the CA. TLS runs end to end between
 * agent and CA: what passes here is ciphertext, and the container needs no network.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { HostAndPort } from '#common/protocol/ca-urls.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import { listenUnix } from '#common/runtime/listen.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { RelayPool } from './relay-pool.ts';
import { createTokenBucket, type Rate } from './token-bucket.ts';

export interface RelayLimits {
	readonly connections: number;
	/** a connection on which nothing moves is cut */
	readonly idleMs: number;
	/** of one connection, both directions together */
	readonly bytes: number;
	/** new connections over time; beyond it nobody is listened to for a while */
	readonly connectionRate: Rate;
	readonly restMs: number;
	/** bytes of all connections over time, both directions together */
	readonly byteRate: Rate;
}

/** An enrolment takes two connections and 20 KiB; a bundle with CRL well under 1 MiB. */
export const RELAY_LIMITS: RelayLimits = {
	connections: 8,
	idleMs: 60_000,
	bytes: 8 * 1024 * 1024,
	connectionRate: { burst: 128, perSecond: 16 },
	restMs: 2_000,
	byteRate: { burst: 32 * 1024 * 1024, perSecond: 1024 * 1024 },
};

export interface Relay {
	/** Cuts all connections and removes the socket. */
	close(): Promise<void>;
}

export interface RelayDeps {
	/** the CA's instances, in the order in which to try them for a new connection */
	readonly targets: () => readonly HostAndPort[];
	/** of all relays */
	readonly pool: RelayPool;
	readonly logger: Pick<Logger, 'debug' | 'info'>;
	readonly limits?: RelayLimits;
}

/** How long an instance may take to accept when there is another one to try. The agent waits for its answer for 5 s. */
const CONNECT_MS = 1_500;

/**
 * @param directory the volume's mount point; its permissions decide who may connect
 * @throws Error when the socket cannot be made
 */
export async function openRelay({ targets, pool, logger, limits = RELAY_LIMITS }: RelayDeps, directory: string): Promise<Relay> {
	const clients = pool.join();
	const open = new Set<Socket>();
	const mayConnect = createTokenBucket(limits.connectionRate);
	const mayPass = createTokenBucket(limits.byteRate);
	let server: Server | undefined;
	let isClosed = false;
	let resting: NodeJS.Timeout | undefined;
	const keep = (socket: Socket): void => {
		open.add(socket);
		socket.on('close', () => open.delete(socket));
	};
	const onError = (error: unknown): void => logger.debug('a relayed connection broke', { error });

	function relay(client: Socket): void {
		keep(client);
		client.on('error', onError);
		if (!mayConnect(1)) {
			client.destroy();
			if (!resting) logger.info('a container connects to the CA too often; it is not listened to for a while', { path: directory, seconds: limits.restMs / 1000 });
			return rest();
		}
		if (clients.size >= limits.connections) return void client.destroy();
		pool.makeRoom(clients);
		clients.add(client);
		client.on('close', () => clients.delete(client));
		reach(targets(), client, keep).then(
			// Cut meanwhile, to make room: nobody is left who would end the other side.
			(upstream) => (client.destroyed ? upstream.destroy() : splice(client, upstream, limits, mayPass, onError)),
			(error: unknown) => {
				onError(error);
				client.destroy();
			},
		);
	}

	async function listen(): Promise<void> {
		server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, relay);
		await listenIn(server, directory);
		if (isClosed) server.close();
		// Without a listener an accept that fails, e.g. for want of file descriptors, would end the plugin.
		server.on('error', (error) => logger.debug('a connection could not be relayed', { error }));
	}

	/** Who connects in a loop is refused by the kernel, which costs the plugin, and so everybody else, nothing. */
	function rest(): void {
		if (isClosed || resting) return;
		server?.close();
		resting = setTimeout(() => {
			resting = undefined;
			listen().catch((error: unknown) => {
				// Something lies in the socket's place: the container's own loss, until it is gone.
				onError(error);
				rest();
			});
		}, limits.restMs);
	}

	await listen();
	return {
		async close() {
			isClosed = true;
			clearTimeout(resting);
			for (const socket of open) socket.destroy();
			pool.leave(clients);
			await new Promise<void>((resolve) => (server?.listening ? server.close(() => resolve()) : resolve()));
		},
	};
}

/**
 * @param client who wants the connection; nothing more is tried once it is gone
 * @param keep gets every socket as it is made
 * @returns a connection to the first target that accepts
 * @throws Error of the last one
 */
async function reach(targets: readonly HostAndPort[], client: Socket, keep: (socket: Socket) => void): Promise<Socket> {
	for (const [index, target] of targets.entries()) {
		const isLast = index === targets.length - 1;
		try {
			return await dial(target, isLast ? undefined : CONNECT_MS, keep);
		} catch (error) {
			if (isLast || client.destroyed) throw error;
		}
	}
	throw new Error('there is no CA to connect to');
}

function dial(target: HostAndPort, timeoutMs: number | undefined, keep: (socket: Socket) => void): Promise<Socket> {
	const socket = connect({ ...target, allowHalfOpen: true });
	keep(socket);
	const timer = timeoutMs === undefined ? undefined : setTimeout(() => socket.destroy(new Error(`not accepted within ${timeoutMs} ms`)), timeoutMs);
	return new Promise<Socket>((resolve, reject) => {
		socket.once('connect', () => resolve(socket));
		socket.once('error', reject);
		// Destroyed without an error when the relay closes.
		socket.once('close', () => reject(new Error('the relay was closed')));
	}).finally(() => clearTimeout(timer));
}

/** Passes bytes and ends both ways; an error or a broken limit on one side ends both. */
function splice(a: Socket, b: Socket, limits: RelayLimits, mayPass: (bytes: number) => boolean, onError: (error: Error) => void): void {
	let bytes = 0;
	for (const [from, to] of [[a, b], [b, a]] as const) {
		from.pipe(to);
		from.on('data', (chunk: Buffer) => {
			bytes += chunk.length;
			if (bytes > limits.bytes || !mayPass(chunk.length)) from.destroy(new Error('too many bytes'));
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

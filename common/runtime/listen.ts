/** Listening and closing of servers as promises. */

import { chmodSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import type { AddressInfo } from 'node:net';

/** @returns the address in use, with the port that the system chose when `port` was 0 */
export function listenTcp(server: Server, port: number, host: string): Promise<AddressInfo> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen({ port, host }, () => {
			server.off('error', reject);
			resolve(server.address() as AddressInfo);
		});
	});
}

/**
 * Listens on a unix socket; a socket file left by an earlier process is replaced.
 *
 * @param mode permission bits of the socket: who may connect
 */
export function listenUnix(server: Server, path: string, mode: number): Promise<void> {
	return new Promise((resolve, reject) => {
		rmSync(path, { force: true });
		server.once('error', reject);
		// No moment at which others may connect: the socket is made under a umask, then opened up.
		const before = process.umask(0o177);
		server.listen({ path }, () => {
			server.off('error', reject);
			chmodSync(path, mode);
			resolve();
		});
		process.umask(before);
	});
}

/** Stops listening and waits for open connections to end. */
export function closeServer(server: Server): Promise<void> {
	return new Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
}

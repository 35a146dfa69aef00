/** Listening and closing of servers as promises. */

import { lstatSync, rmSync } from 'node:fs';
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
 * Listens on a unix socket; a socket left by an earlier process is replaced, any other file is not.
 *
 * The mode comes from the umask, not from a chmod afterwards: there is no moment with another mode,
 * and nobody who may write to the directory can put a link in the socket's place in between.
 *
 * @param mode permission bits of the socket: who may connect
 * @param backlog how many may wait to be accepted, up to the system's own bound (listen(2)); Node's default when absent
 */
export function listenUnix(server: Server, path: string, mode: number, backlog?: number): Promise<void> {
	return new Promise((resolve, reject) => {
		if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path);
		const before = process.umask(0o777 & ~mode);
		try {
			server.once('error', reject);
			server.listen({ path, ...(backlog !== undefined && { backlog }) }, () => {
				server.off('error', reject);
				resolve();
			});
		} finally {
			process.umask(before);
		}
	});
}

/** Stops listening and waits for open connections to end. */
export function closeServer(server: Server): Promise<void> {
	return new Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
}

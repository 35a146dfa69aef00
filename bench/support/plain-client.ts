/**
 * A client of the engine's API that costs next to nothing itself: one connection, one write for a
 * call, the answer counted and thrown away.
 */

import { connect } from 'node:net';

export interface PlainClient {
	/** @returns how long the call took, in milliseconds @throws Error for any status but 200, and when the connection breaks */
	get(path: string): Promise<number>;
	close(): void;
}

/** Connects to a unix socket. */
export async function openPlainClient(socketPath: string): Promise<PlainClient> {
	const socket = connect(socketPath);
	let received = '';
	let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
	await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
	socket.on('error', (error) => settle?.reject(error));
	socket.on('close', () => settle?.reject(new Error('the engine closed the connection')));
	socket.on('data', (bytes) => {
		received += bytes.toString('latin1');
		if (!isComplete(received)) return;
		if (/^HTTP\/1\.1 200 /.test(received)) settle?.resolve();
		else settle?.reject(new Error(received.slice(0, 300)));
	});
	return {
		async get(path) {
			received = '';
			const started = performance.now();
			await new Promise<void>((resolve, reject) => {
				settle = { resolve, reject };
				socket.write(`GET ${path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: bench\r\n\r\n`);
			});
			return performance.now() - started;
		},
		close() {
			settle = undefined;
			socket.destroy();
		},
	};
}

/** By its length, or by the last chunk (RFC 9112 §6, §7.1). */
function isComplete(answer: string): boolean {
	const head = answer.indexOf('\r\n\r\n');
	if (head < 0) return false;
	const length = /^content-length: (\d+)$/im.exec(answer.slice(0, head))?.[1];
	return length === undefined ? answer.endsWith('\r\n0\r\n\r\n') : answer.length >= head + 4 + Number(length);
}

/**
 * One `POST` with an empty body to the container itself (RFC 9112). Not by the runtime's HTTP client: that one
 * would follow redirections and the application's proxy settings out of the container.
 */

import type { LocalAddress } from '#common/protocol/reload.ts';
import { lately } from './lately.ts';

const TIMEOUT_MS = 10_000;
/** Of the answer only its first line is read. */
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})[ \r\n]/;
const MAX_STATUS_LINE = 1024;

/** @returns undefined for a status 200 to 299; else what came back, half a sentence. @throws only the signal's reason */
export async function postLocally(to: LocalAddress, path: string, signal: AbortSignal, timeoutMs = TIMEOUT_MS): Promise<string | undefined> {
	const where = 'socketPath' in to ? to.socketPath : `${to.host === '::1' ? '[::1]' : to.host}:${to.port}`;
	const deadline = AbortSignal.timeout(timeoutMs);
	const ended = AbortSignal.any([signal, deadline]);
	const { connect } = lately('node:net');
	const socket = 'socketPath' in to ? connect(to.socketPath) : connect(to);
	try {
		const status = await new Promise<number | undefined>((resolve, reject) => {
			let head = '';
			socket.on('error', reject);
			ended.addEventListener('abort', () => reject(ended.reason), { once: true });
			socket.on('close', () => resolve(undefined));
			socket.on('data', (chunk: Buffer) => {
				head += chunk.toString('latin1');
				const status = STATUS_LINE.exec(head)?.[1];
				if (status !== undefined || head.length > MAX_STATUS_LINE) resolve(status === undefined ? undefined : Number(status));
			});
			const host = 'socketPath' in to ? 'localhost' : where;
			socket.write(`POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
		});
		if (status === undefined) return `what answers at ${where} does not speak HTTP`;
		return status >= 200 && status < 300 ? undefined : `POST ${path} at ${where} was answered with ${status}`;
	} catch (error) {
		if (signal.aborted) throw signal.reason;
		if (deadline.aborted) return `POST ${path} at ${where} was not answered within ${timeoutMs / 1000} s`;
		return `POST ${path} at ${where} failed (${error instanceof Error && 'code' in error ? String(error.code) : String(error)})`;
	} finally {
		socket.destroy();
	}
}

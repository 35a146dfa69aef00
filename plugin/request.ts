/** One HTTP exchange with a deadline and a bound on the answer, over TCP, TLS or a unix socket. */

import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

export interface Answer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: string;
}

export interface ExchangeLimits {
	/** for the whole exchange, connecting included */
	readonly deadlineMs: number;
	readonly maxBytes: number;
	/** of the answer; UTF-8 when absent */
	readonly encoding?: BufferEncoding;
}

/** That had an answer: `reusedSocket` does not tell of one that a waiting call took over from another. */
const answered = new WeakSet<Socket>();
/** How the end of a connection shows that the other side closed it first. */
const CLOSED: readonly (string | undefined)[] = ['ECONNRESET', 'EPIPE'];

type StartRequest = (signal: AbortSignal, onAnswer: (answer: IncomingMessage) => void) => ClientRequest;

/**
 * A kept connection that the other side closed meanwhile is no failure: the call is made once more,
 * on another one. So only calls that may arrive twice belong here. So is, once, a connection that was
 * closed in its handshake.
 *
 * @param start makes the request, `http.request` or `https.request` with everything but the callback
 * @throws Error when the connection fails, the deadline passes or the answer is too large
 */
export function exchange(start: StartRequest, body: string | undefined, limits: ExchangeLimits): Promise<Answer> {
	return attempt(start, body, limits, AbortSignal.timeout(limits.deadlineMs));
}

function attempt(start: StartRequest, body: string | undefined, limits: ExchangeLimits, signal: AbortSignal, mayMissHandshake = true): Promise<Answer> {
	return new Promise((resolve, reject) => {
		let inHandshake = false;
		const request = start(signal, (answer) => {
			answered.add(answer.socket);
			const chunks: Buffer[] = [];
			let size = 0;
			answer.on('data', (chunk: Buffer) => {
				size += chunk.length;
				chunks.push(chunk);
				if (size <= limits.maxBytes) return;
				reject(new Error(`the answer is larger than ${limits.maxBytes} bytes`));
				request.destroy();
			});
			const { statusCode: status = 0, headers } = answer;
			answer.on('end', () => resolve({ status, headers, body: Buffer.concat(chunks).toString(limits.encoding ?? 'utf8') }));
			answer.on('error', reject);
		});
		request.on('socket', (socket) => {
			inHandshake = 'encrypted' in socket && socket.connecting;
			if (inHandshake) socket.once('secureConnect', () => (inHandshake = false));
		});
		request.on('error', (error: NodeJS.ErrnoException) => {
			const isKept = request.reusedSocket || (request.socket !== null && answered.has(request.socket));
			if (signal.aborted) reject(new Error(`no answer within ${limits.deadlineMs} ms`, { cause: error }));
			else if (CLOSED.includes(error.code) && isKept) resolve(attempt(start, body, limits, signal, mayMissHandshake));
			else if (CLOSED.includes(error.code) && inHandshake && mayMissHandshake) resolve(attempt(start, body, limits, signal, false));
			else reject(error);
		});
		request.end(body);
	});
}

/** One HTTP exchange with a deadline and a bound on the answer, over TCP, TLS or a unix socket. */

import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';

export interface Answer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: string;
}

export interface ExchangeLimits {
	/** for the whole exchange, connecting included */
	readonly deadlineMs: number;
	readonly maxBytes: number;
}

type StartRequest = (signal: AbortSignal, onAnswer: (answer: IncomingMessage) => void) => ClientRequest;

/**
 * @param start makes the request, `http.request` or `https.request` with everything but the callback
 * @throws Error when the connection fails, the deadline passes or the answer is too large
 */
export function exchange(start: StartRequest, body: string | undefined, limits: ExchangeLimits): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const signal = AbortSignal.timeout(limits.deadlineMs);
		const request = start(signal, (answer) => {
			const chunks: Buffer[] = [];
			let size = 0;
			answer.on('data', (chunk: Buffer) => {
				size += chunk.length;
				if (size > limits.maxBytes) request.destroy(new Error(`the answer is larger than ${limits.maxBytes} bytes`));
				chunks.push(chunk);
			});
			answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString('utf8') }));
			answer.on('error', reject);
		});
		request.on('error', (error) => reject(signal.aborted ? new Error(`no answer within ${limits.deadlineMs} ms`, { cause: error }) : error));
		request.end(body);
	});
}

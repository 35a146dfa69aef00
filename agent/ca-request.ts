/**
 * One HTTPS request to the CA: a connection of its own, bounded in time and size.
 *
 * TLS runs end to end between agent and CA, also through the relay socket, and always under the
 * CA's own server name, whatever address was dialled.
 */

import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import type { CaAddress } from './ca-address.ts';

/** Key and certificate for mTLS, PEM. */
export interface Credentials {
	readonly key: string;
	/** leaf first */
	readonly chain: string;
}

export interface CaRequest {
	readonly method: 'GET' | 'POST';
	readonly path: string;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: string;
	/** the trust bundle (PEM) that the server must chain to; `unverified` only to fetch that bundle */
	readonly trust: Buffer | 'unverified';
	readonly credentials?: Credentials;
	/** ends the request early; its reason is what is thrown then */
	readonly signal: AbortSignal;
	/** default {@link REQUEST_TIMEOUT_MS} */
	readonly timeoutMs?: number;
}

export interface CaAnswer {
	readonly status: number;
	readonly body: Buffer;
	/** the CA's clock, to the second (RFC 9110 §6.6.1) */
	readonly date: Date | undefined;
}

export const REQUEST_TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 64 * 1024;
/** Verification failures of Node, Bun and OpenSSL, as against failures to connect. */
const NOT_TRUSTED = /^(?:ERR_TLS_CERT_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH)/;

/**
 * @throws BirthmarkError `ca-unavailable` when there is no complete answer in time,
 * `ca-protocol` when the server cannot prove to be the CA or does not speak HTTP within limits
 */
export async function requestCa(
	address: CaAddress,
	{ method, path, headers, body, trust, credentials, signal, timeoutMs = REQUEST_TIMEOUT_MS }: CaRequest,
): Promise<CaAnswer> {
	const deadline = AbortSignal.timeout(timeoutMs);
	const ended = AbortSignal.any([signal, deadline]);
	try {
		return await new Promise<CaAnswer>((resolve, reject) => {
			const outgoing = request(
				{
					...address,
					method,
					path,
					headers: { Host: CA_SERVER_NAME, ...headers, ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }) },
					agent: false, // no pool, no resumed session: every connection proves itself anew
					servername: CA_SERVER_NAME,
					minVersion: 'TLSv1.2',
					// Said in so many words, because NODE_TLS_REJECT_UNAUTHORIZED of the application must not decide it.
					...(trust === 'unverified' ? { rejectUnauthorized: false } : { rejectUnauthorized: true, ca: trust }),
					...(credentials === undefined ? {} : { key: credentials.key, cert: credentials.chain }),
					signal: ended,
				},
				(answer) => readAnswer(answer).then(resolve, reject),
			);
			outgoing.on('error', reject);
			// A connection that leaves HTTP tells its request nothing any more, not even that time is up.
			outgoing.on('upgrade', (_, socket) => {
				socket.destroy();
				reject(noHttp('it wants another protocol'));
			});
			ended.addEventListener('abort', () => reject(ended.reason));
			outgoing.end(body);
		});
	} catch (cause) {
		if (signal.aborted) throw signal.reason;
		throw describeFailure(cause, deadline.aborted ? timeoutMs : undefined);
	}
}

async function readAnswer(answer: IncomingMessage): Promise<CaAnswer> {
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of answer as AsyncIterable<Buffer>) {
		length += chunk.length;
		if (length > MAX_ANSWER_BYTES) throw new BirthmarkError('ca-protocol', `the CA's answer is larger than ${MAX_ANSWER_BYTES / 1024} KiB`);
		chunks.push(chunk);
	}
	if (!answer.complete) throw new Error('the answer broke off');
	const date = new Date(answer.headers.date ?? Number.NaN);
	return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks), date: Number.isNaN(date.getTime()) ? undefined : date };
}

function describeFailure(cause: unknown, timedOutAfterMs: number | undefined): BirthmarkError {
	if (cause instanceof BirthmarkError) return cause;
	const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
	if (NOT_TRUSTED.test(code)) {
		return new BirthmarkError(
			'ca-protocol',
			`what answers at the CA's address cannot prove that it is the CA (${code}): check the address, the CA's certificate and the clocks; if its root has just been replaced, restart the container`,
			{ cause },
		);
	}
	if (code.startsWith('HPE_')) return noHttp(code, cause);
	const failure = code || (cause instanceof Error ? cause.message : 'unknown failure');
	const why = timedOutAfterMs === undefined ? failure : `no answer in ${(timedOutAfterMs / 1000).toFixed(1)} s`;
	return new BirthmarkError(
		'ca-unavailable',
		`the CA could not be reached (${why}): check that it runs and that the plugin can reach it`,
		{ cause },
	);
}

function noHttp(why: string, cause?: unknown): BirthmarkError {
	return new BirthmarkError('ca-protocol', `what answers at the CA's address does not speak HTTP (${why})`, { cause });
}

/**
 * One HTTPS request to the CA: a connection of its own, bounded in time and size.
 *
 * TLS runs end to end between agent and CA, also through the relay socket, and always under the
 * CA's own server name, whatever address was dialled.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import type { CaAddress } from './ca-address.ts';
import { answerReader, type HttpAnswer } from './http-answer.ts';
import { openSecureConnection, type Credentials, type SecureConnection } from './secure-connection.ts';

export interface CaRequest {
	readonly method: 'GET' | 'POST';
	readonly path: string;
	readonly headers?: Readonly<Record<string, string>>;
	/** a function: made while the CA does its part of the handshake */
	readonly body?: string | (() => string);
	/** the trust bundle (PEM) that the server must chain to; `unverified` only to fetch that bundle */
	readonly trust: Buffer | 'unverified';
	readonly credentials?: Credentials;
	/** ends the request early; its reason is what is thrown then */
	readonly signal: AbortSignal;
	/** called when the request is on its way: what can be done while the CA works */
	readonly whileWaiting?: () => void;
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
/** Verification failures of Node, Bun and OpenSSL, as against failures to connect. */
const NOT_TRUSTED = /^(?:ERR_TLS_CERT_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH)/;

/**
 * @throws BirthmarkError `ca-unavailable` when there is no complete answer in time,
 * `ca-protocol` when the server cannot prove to be the CA or does not speak HTTP within limits
 */
export async function requestCa(address: CaAddress, request: CaRequest): Promise<CaAnswer> {
	const { trust, credentials, signal, whileWaiting = () => {}, timeoutMs = REQUEST_TIMEOUT_MS } = request;
	const deadline = AbortSignal.timeout(timeoutMs);
	const ended = AbortSignal.any([signal, deadline]);
	const body = once(request.body);
	let connection: SecureConnection | undefined;
	try {
		return await new Promise<CaAnswer>((resolve, reject) => {
			ended.addEventListener('abort', () => reject(ended.reason));
			if (ended.aborted) return reject(ended.reason);
			const trying = (work: () => void): void => {
				try {
					work();
				} catch (error) {
					reject(error);
				}
			};
			const read = answerReader();
			connection = openSecureConnection({ address, serverName: CA_SERVER_NAME, trust, credentials }, {
				connected: () => void setImmediate(trying, body),
				// Not a moment earlier: it carries tokens, and only now the other side has proved who it is.
				secure: () => trying(() => {
					connection?.write(message(request, body()));
					setImmediate(whileWaiting);
				}),
				data: (bytes) => trying(() => {
					const answer = read(bytes);
					if (answer !== undefined) resolve({ status: answer.status, body: answer.body, date: dateOf(answer) });
				}),
				failed: reject,
			});
		});
	} catch (cause) {
		if (signal.aborted) throw signal.reason;
		throw describeFailure(cause, deadline.aborted ? timeoutMs : undefined);
	} finally {
		connection?.close();
	}
}

function once(body: CaRequest['body'] = ''): () => string {
	let made = typeof body === 'string' ? body : undefined;
	return () => (made ??= typeof body === 'string' ? body : body());
}

/** RFC 9112 §3; what goes into it is the agent's own, and has no line ends. */
function message({ method, path, headers = {} }: Pick<CaRequest, 'method' | 'path' | 'headers'>, body: string): string {
	const fields = { 'Host': CA_SERVER_NAME, 'Connection': 'close', ...headers, 'Content-Length': String(Buffer.byteLength(body)) };
	return `${method} ${path} HTTP/1.1\r\n${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

function dateOf({ headers }: HttpAnswer): Date | undefined {
	const date = new Date(headers.get('date') ?? Number.NaN);
	return Number.isNaN(date.getTime()) ? undefined : date;
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
	const failure = code || (cause instanceof Error ? cause.message : 'unknown failure');
	const why = timedOutAfterMs === undefined ? failure : `no answer in ${(timedOutAfterMs / 1000).toFixed(1)} s`;
	return new BirthmarkError(
		'ca-unavailable',
		`the CA could not be reached (${why}): check that it runs and that the plugin can reach it`,
		{ cause },
	);
}

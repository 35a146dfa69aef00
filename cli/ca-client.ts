/** Calls to the CA's API, over the admin socket or over mutual TLS to a pinned CA. */

import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions as HttpsOptions } from 'node:https';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME, CSR_CONTENT_TYPE } from '#common/protocol/messages.ts';
import { errorFromProblem } from '#common/protocol/problem.ts';
import { createFailOver, SERVICE_UNAVAILABLE, tryInOrder, type FailOver } from '#common/runtime/fail-over.ts';
import type { Profile } from './profile.ts';

/** Without a byte, for all instances of the CA together. */
const TIMEOUT_MS = 10_000;
/** `ls --all` of a large fleet. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Verification failures of Node and OpenSSL, as against failures to connect. */
const NOT_TRUSTED = /^(?:ERR_TLS_CERT_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH)/;

export interface CaAnswer {
	readonly body: string;
	/** the CA's clock, from the Date header */
	readonly date: Date | undefined;
}

export interface CaClient {
	/** @throws BirthmarkError the CA's own code, `ca-unavailable`, `ca-protocol` */
	call(method: string, path: string, json?: unknown): Promise<CaAnswer>;
	/** the same with a CSR, PEM */
	certify(path: string, csr: string, headers: Readonly<Record<string, string>>): Promise<CaAnswer>;
	/** the same as `call` for an answer in JSON */
	json<T>(method: string, path: string, json?: unknown): Promise<T>;
}

export function createCaClient(profile: Profile): CaClient {
	const toCa = profile.way === 'socket' ? bySocket(profile.path) : byTls(createFailOver(profile.urls), { ...trusting(profile.bundle), key: profile.key, cert: profile.certificate });
	const ask = async (method: string, path: string, type: string, body: string | undefined, more: Readonly<Record<string, string>> = {}): Promise<CaAnswer> => {
		const headers = body === undefined ? {} : { 'Content-Type': type, 'Content-Length': String(Buffer.byteLength(body)), ...more };
		const { text, date } = succeeded(await toCa({ method, path, headers, body }));
		return { body: text, date };
	};
	const call: CaClient['call'] = (method, path, json) => ask(method, path, 'application/json', json === undefined ? undefined : JSON.stringify(json));
	return { call, json: jsonBy(call), certify: (path, csr, headers) => ask('POST', path, CSR_CONTENT_TYPE, csr, headers) };
}

/** @param call as of a {@link CaClient} */
export function jsonBy(call: CaClient['call']): CaClient['json'] {
	return async <T>(method: string, path: string, json?: unknown) => parseJson<T>((await call(method, path, json)).body);
}

/**
 * One request without a client certificate, for `login`.
 *
 * @param bundle PEM to verify the CA with; undefined only to fetch the bundle itself, whose digest is then compared
 */
export async function callAnonymously(instances: FailOver<string>, bundle: string | undefined, method: string, path: string, options: { json?: unknown; token?: string } = {}): Promise<string> {
	const body = options.json === undefined ? undefined : JSON.stringify(options.json);
	const headers: Record<string, string> = {};
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	if (options.token !== undefined) headers['Authorization'] = `Bearer ${options.token}`;
	const trust: HttpsOptions = bundle === undefined ? { agent: false, rejectUnauthorized: false, servername: CA_SERVER_NAME } : trusting(bundle);
	return succeeded(await byTls(instances, trust)({ method, path, headers, body })).text;
}

interface Request {
	readonly method: string;
	readonly path: string;
	readonly headers: Record<string, string>;
	readonly body: string | undefined;
}

type Way = (request: Request) => Promise<Answer>;

function bySocket(socketPath: string): Way {
	return ({ body, ...request }) => send(socketPath, body, TIMEOUT_MS, (answered) => httpRequest({ ...request, socketPath, timeout: TIMEOUT_MS }, answered));
}

/**
 * By the first instance that answers. What changes something is not sent twice: once a connection
 * stood, its failure is final, for the instance may have done it.
 */
function byTls(instances: FailOver<string>, trust: HttpsOptions): Way {
	return ({ body, ...request }) => {
		let mayBeDone: boolean;
		return tryInOrder(instances, {
			deadlineMs: TIMEOUT_MS,
			attempt: (url, timeout) => {
				mayBeDone = false;
				return send(url, body, timeout, (answered) => {
					const call = httpsRequest(url, { ...request, ...trust, timeout }, answered);
					call.once('socket', (socket) => socket.once('secureConnect', () => (mayBeDone = request.method !== 'GET')));
					return call;
				});
			},
			settles: ({ status }) => status !== SERVICE_UNAVAILABLE,
			movesOn: () => !mayBeDone,
		});
	};
}

function succeeded(answer: Answer): Answer {
	if (answer.status >= 200 && answer.status < 300) return answer;
	throw errorFromProblem(answer.status, answer.text);
}

/** Nothing but this bundle, and whatever NODE_TLS_REJECT_UNAUTHORIZED says. */
function trusting(bundle: string): HttpsOptions {
	return { agent: false, ca: bundle, servername: CA_SERVER_NAME, rejectUnauthorized: true };
}

interface Answer {
	readonly status: number;
	readonly text: string;
	readonly date: Date | undefined;
}

/** @throws BirthmarkError `ca-unavailable`, `ca-protocol`; `config-invalid` when the key or a certificate of the login is damaged */
async function send(where: string, body: string | undefined, timeoutMs: number, begin: (answered: (message: IncomingMessage) => void) => ClientRequest): Promise<Answer> {
	try {
		return await new Promise((resolve, reject) => {
			const call = begin((message) => void read(message).then(resolve, reject));
			call.on('timeout', () => call.destroy(new Error(`no answer in ${(timeoutMs / 1000).toFixed(1)} s`)));
			call.on('error', reject);
			call.end(body);
		});
	} catch (cause) {
		throw describeFailure(where, cause);
	}
}

async function read(message: IncomingMessage): Promise<Answer> {
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of message as AsyncIterable<Buffer>) {
		length += chunk.length;
		if (length > MAX_ANSWER_BYTES) throw new BirthmarkError('ca-protocol', 'the answer of the CA is too large');
		chunks.push(chunk);
	}
	const date = new Date(message.headers.date ?? Number.NaN);
	return { status: message.statusCode ?? 0, text: Buffer.concat(chunks).toString(), date: Number.isNaN(date.getTime()) ? undefined : date };
}

function describeFailure(where: string, cause: unknown): BirthmarkError {
	if (cause instanceof BirthmarkError) return cause;
	const { message, code = '' } = cause as NodeJS.ErrnoException;
	if (NOT_TRUSTED.test(code)) {
		const remedy = 'check the address and the clocks, or log in again if the CA was made anew';
		return new BirthmarkError('ca-protocol', `what answers at ${where} cannot prove that it is the CA (${code}): ${remedy}`, { cause });
	}
	if (/^(?:HPE_|EPROTO$|ERR_SSL_)/.test(code)) return new BirthmarkError('ca-protocol', `what answers at ${where} is not the CA (${code})`, { cause });
	if (code.startsWith('ERR_OSSL_')) {
		return new BirthmarkError('config-invalid', 'the key or a certificate of the saved login is damaged; run "birthmark login" again', { cause });
	}
	// Refused on every address of a name, Node leaves the message empty.
	return new BirthmarkError('ca-unavailable', `the CA at ${where} could not be reached: ${message || code}`, { cause });
}

function parseJson<T>(text: string): T {
	try {
		return JSON.parse(text) as T;
	} catch (cause) {
		throw new BirthmarkError('ca-protocol', 'the CA answered something that is not JSON', { cause });
	}
}

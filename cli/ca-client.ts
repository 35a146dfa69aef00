/** Calls to the CA's API, over the admin socket or over mutual TLS to a pinned CA. */

import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import { errorFromProblem } from '#common/protocol/problem.ts';
import type { Profile } from './profile.ts';

const TIMEOUT_MS = 10_000;
/** `ls --all` of a large fleet. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export interface CaAnswer {
	readonly body: string;
	/** the CA's clock, from the Date header */
	readonly date: Date | undefined;
}

export interface CaClient {
	/** @throws BirthmarkError the CA's own code, or `ca-unavailable` */
	call(method: string, path: string, json?: unknown): Promise<CaAnswer>;
	/** the same for an answer in JSON */
	json<T>(method: string, path: string, json?: unknown): Promise<T>;
}

export function createCaClient(profile: Profile): CaClient {
	const call = async (method: string, path: string, json?: unknown): Promise<CaAnswer> => {
		const body = json === undefined ? undefined : JSON.stringify(json);
		const headers = body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) };
		const shared: RequestOptions = { method, path, headers, timeout: TIMEOUT_MS };
		const where = profile.way === 'socket' ? profile.path : profile.url;
		const { status, text, date } = await send(shared, body, profile, where);
		if (status >= 200 && status < 300) return { body: text, date };
		throw errorFromProblem(status, text);
	};
	return { call, json: async <T>(method: string, path: string, json?: unknown) => parseJson<T>((await call(method, path, json)).body) };
}

/**
 * One request without a client certificate, for `login`.
 *
 * @param bundle PEM to verify the CA with; undefined only to fetch the bundle itself, whose digest is then compared
 */
export async function callAnonymously(url: string, bundle: string | undefined, method: string, path: string, options: { json?: unknown; token?: string } = {}): Promise<string> {
	const body = options.json === undefined ? undefined : JSON.stringify(options.json);
	const headers: Record<string, string> = {};
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	if (options.token !== undefined) headers['Authorization'] = `Bearer ${options.token}`;
	const trust = bundle === undefined ? { rejectUnauthorized: false } : { ca: bundle, servername: CA_SERVER_NAME };
	const { status, text } = await new Promise<Answer>((resolve, reject) => {
		const call = httpsRequest(new URL(path, url), { method, headers, timeout: TIMEOUT_MS, agent: false, ...trust }, (message) => read(message).then(resolve, reject));
		fail(call, url, reject);
		call.end(body);
	});
	if (status >= 200 && status < 300) return text;
	throw errorFromProblem(status, text);
}

interface Answer {
	readonly status: number;
	readonly text: string;
	readonly date: Date | undefined;
}

function send(shared: RequestOptions, body: string | undefined, profile: Profile, where: string): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const answered = (message: IncomingMessage) => void read(message).then(resolve, reject);
		const call =
			profile.way === 'socket'
				? httpRequest({ ...shared, socketPath: profile.path }, answered)
				: httpsRequest(new URL(shared.path!, profile.url), { ...shared, agent: false, key: profile.key, cert: profile.certificate, ca: profile.bundle, servername: CA_SERVER_NAME }, answered);
		fail(call, where, reject);
		call.end(body);
	});
}

function fail(call: ReturnType<typeof httpRequest>, where: string, reject: (error: Error) => void): void {
	call.on('timeout', () => call.destroy(new Error('no answer in time')));
	call.on('error', (cause) => reject(cause instanceof BirthmarkError ? cause : new BirthmarkError('ca-unavailable', `the CA at ${where} could not be reached: ${cause.message}`, { cause })));
}

async function read(message: IncomingMessage): Promise<Answer> {
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of message as AsyncIterable<Buffer>) {
		length += chunk.length;
		if (length > MAX_ANSWER_BYTES) throw new BirthmarkError('ca-protocol', 'the answer of the CA is too large');
		chunks.push(chunk);
	}
	const date = message.headers.date === undefined ? undefined : new Date(message.headers.date);
	return { status: message.statusCode ?? 0, text: Buffer.concat(chunks).toString(), date };
}

function parseJson<T>(text: string): T {
	try {
		return JSON.parse(text) as T;
	} catch (cause) {
		throw new BirthmarkError('ca-protocol', 'the CA answered something that is not JSON', { cause });
	}
}

/**
 * HTTP as it is on the wire, for requests that no client would send: the exact request line, headers
 * in their order with repetitions, any body. RFC 9112; HTTP/2 with prior knowledge: RFC 9113 §3.3.
 */

import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';

export interface RawAnswer {
	readonly status: number;
	/** names in lower case; of repeated ones the last */
	readonly headers: ReadonlyMap<string, string>;
	readonly body: string;
}

const DEADLINE_MS = 60_000;
/** Fits into the buffers of any socket. */
const HEAD_BYTES = 16 * 1024;

/**
 * @param line method and target, e.g. `POST /containers/create`; the protocol is added
 * @param headers as they are to be written; `Host` and `Connection: close` are added unless given
 */
export function message(line: string, headers: readonly string[] = [], body: string | Uint8Array = ''): Buffer {
	const has = (name: string): boolean => headers.some((header) => header.toLowerCase().startsWith(`${name}:`));
	const all = [...(has('host') ? [] : ['Host: docker']), ...headers, ...(has('connection') ? [] : ['Connection: close'])];
	return Buffer.concat([Buffer.from(`${line} HTTP/1.1\r\n${all.map((header) => `${header}\r\n`).join('')}\r\n`, 'latin1'), Buffer.from(body)]);
}

/** A request with a JSON body, as a well-behaved client sends it. @param body a value, or text that is sent as it is */
export function json(line: string, body: unknown, headers: readonly string[] = []): Buffer {
	const bytes = typeof body === 'string' || body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
	return message(line, ['Content-Type: application/json', ...headers, `Content-Length: ${bytes.length}`], bytes);
}

/** A body in chunks (RFC 9112 §7.1). */
export function chunked(body: string | Uint8Array): Buffer {
	const bytes = Buffer.from(body);
	return Buffer.concat([...(bytes.length > 0 ? [Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')] : []), Buffer.from('0\r\n\r\n')]);
}

/**
 * Sends bytes and reads one answer.
 *
 * @throws Error when there is no answer within a minute, or none that is HTTP
 */
export async function exchangeRaw(socketPath: string, bytes: Uint8Array): Promise<RawAnswer> {
	const answer = await readAll(socketPath, bytes);
	// An engine that answers without reading the body closes under the write, and the answer is lost with
	// the connection. Then it does not need the rest of the body to answer.
	return parseAnswer(answer.length > 0 ? answer : await readAll(socketPath, bytes.subarray(0, HEAD_BYTES)));
}

function readAll(socketPath: string, bytes: Uint8Array): Promise<Buffer> {
	return new Promise((resolve) => {
		const chunks: Buffer[] = [];
		const socket = connect(socketPath);
		const end = (): void => {
			clearTimeout(timer);
			socket.destroy();
			resolve(Buffer.concat(chunks));
		};
		const timer = setTimeout(end, DEADLINE_MS);
		socket.on('data', (chunk: Buffer) => {
			chunks.push(chunk);
			if (isWhole(Buffer.concat(chunks))) end();
		});
		socket.on('end', end);
		socket.on('error', end);
		socket.write(bytes);
	});
}

/**
 * @param headers without the pseudo-headers
 * @returns undefined when the server speaks no HTTP/2 without TLS
 */
export function exchangeHttp2(socketPath: string, method: string, path: string, headers: Readonly<Record<string, string>>, body: string | Uint8Array): Promise<RawAnswer | undefined> {
	return new Promise((resolve, reject) => {
		const session = connectHttp2('http://docker', { createConnection: () => connect(socketPath) });
		const finish = (answer: RawAnswer | undefined): void => {
			clearTimeout(timer);
			session.destroy();
			resolve(answer);
		};
		const timer = setTimeout(() => {
			session.destroy();
			reject(new Error('no answer over HTTP/2 within a minute'));
		}, DEADLINE_MS);
		session.on('error', () => finish(undefined));
		const stream = session.request({ ':method': method, ':path': path, ...headers });
		const chunks: Buffer[] = [];
		let status = 0;
		const fields = new Map<string, string>();
		stream.on('response', (answer) => {
			status = Number(answer[':status']);
			for (const [name, value] of Object.entries(answer)) fields.set(name, String(value));
		});
		stream.on('data', (chunk: Buffer) => chunks.push(chunk));
		stream.on('end', () => finish(status === 0 ? undefined : { status, headers: fields, body: Buffer.concat(chunks).toString() }));
		stream.on('error', () => finish(undefined));
		stream.end(Buffer.from(body));
	});
}

/** Not every server closes when it is asked to. */
function isWhole(bytes: Buffer): boolean {
	const head = splitHead(bytes);
	if (!head) return false;
	const { status, headers, rest } = head;
	if (headers.get('transfer-encoding') === 'chunked') return rest.toString('latin1').endsWith('0\r\n\r\n');
	const length = headers.get('content-length');
	return status === 204 || status === 304 || (length !== undefined && rest.length >= Number(length));
}

function parseAnswer(bytes: Buffer): RawAnswer {
	const head = splitHead(bytes);
	if (!head) throw new Error(`no HTTP answer: ${bytes.toString('latin1', 0, 200)}`);
	const { status, headers, rest } = head;
	return { status, headers, body: (headers.get('transfer-encoding') === 'chunked' ? unchunk(rest) : rest).toString() };
}

/** @returns undefined before the head is whole, or when it is none */
function splitHead(bytes: Buffer): { status: number; headers: Map<string, string>; rest: Buffer } | undefined {
	const text = bytes.toString('latin1');
	const end = text.indexOf('\r\n\r\n');
	const [first = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\r\n');
	const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
	if (!(status > 0)) return undefined;
	const rest = bytes.subarray(end + 4);
	// "100 Continue" and the like announce the answer.
	if (status < 200 && status !== 101) return splitHead(rest);
	return { status, headers: new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])), rest };
}

function unchunk(body: Buffer): Buffer {
	const parts: Buffer[] = [];
	for (let at = 0; ; ) {
		const line = body.indexOf('\r\n', at);
		const size = Number.parseInt(body.toString('latin1', at, line), 16);
		if (line < 0 || !(size > 0)) return Buffer.concat(parts);
		parts.push(body.subarray(line + 2, line + 2 + size));
		at = line + 2 + size + 2;
	}
}

/**
 * One answer of HTTP/1.1 (RFC 9112), read strictly: on one connection, from one kind of server. The
 * runtime's own client takes a megabyte of memory in each container, and makes its start longer.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';

export interface HttpAnswer {
	readonly status: number;
	/** names in lower case */
	readonly headers: ReadonlyMap<string, string>;
	readonly body: Buffer;
}

const MAX_HEAD_BYTES = 16 * 1024;
const MAX_BODY_BYTES = 64 * 1024;
/** digits of a length, and the line's end */
const LONGEST_CHUNK_LINE = 10;
/** RFC 9112 §4, the reason is empty or visible text */
const STATUS_LINE = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
/** RFC 9110 §5.1, §5.5; no line is folded */
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;
const WITHOUT_BODY: readonly number[] = [204, 304];
/** RFC 9112 §6.3: of two of these nobody knows which one counts. */
const SAYS_LENGTH: readonly string[] = ['content-length', 'transfer-encoding'];

/**
 * @returns a function that takes the bytes as they come; it returns the answer when it is complete, and
 * undefined before
 * @throws BirthmarkError `ca-protocol` from that function
 */
export function answerReader(): (bytes: Buffer) => HttpAnswer | undefined {
	let received: Buffer = Buffer.alloc(0);
	let head: Head | undefined;
	return (bytes) => {
		received = Buffer.concat([received, bytes]);
		head ??= readHead(received);
		if (head === undefined) return undefined;
		const { status, headers, bodyStart, length } = head;
		const body = length === 'chunked' ? readChunks(received.subarray(bodyStart)) : readLength(received.subarray(bodyStart), length);
		return body && { status, headers, body };
	};
}

interface Head {
	readonly status: number;
	readonly headers: ReadonlyMap<string, string>;
	readonly bodyStart: number;
	/** in bytes */
	readonly length: number | 'chunked';
}

export function noHttp(why: string, cause?: unknown): BirthmarkError {
	return new BirthmarkError('ca-protocol', `what answers at the CA's address does not speak HTTP (${why})`, { cause });
}

function readHead(received: Buffer): Head | undefined {
	const length = received.indexOf('\r\n\r\n');
	if (length > MAX_HEAD_BYTES || (length === -1 && received.length > MAX_HEAD_BYTES)) throw noHttp('its header is too long');
	// Whatever it is, it is not about to become an answer.
	if (!'HTTP/1.'.startsWith(received.toString('latin1', 0, Math.min(received.length, 'HTTP/1.'.length)))) throw noHttp('no status line');
	if (length === -1) return undefined;
	const [statusLine = '', ...lines] = received.toString('latin1', 0, length).split('\r\n');
	const status = Number(STATUS_LINE.exec(statusLine)?.[1] ?? Number.NaN);
	if (Number.isNaN(status)) throw noHttp('no status line');
	// Nothing was asked that an interim answer would be good for.
	if (status < 200) throw noHttp('it wants another protocol');
	const headers = readFields(lines);
	const bodyStart = length + '\r\n\r\n'.length;
	return { status, headers, bodyStart, length: bodyLength(status, headers) };
}

function readFields(lines: readonly string[]): Map<string, string> {
	const headers = new Map<string, string>();
	for (const line of lines) {
		const [, name = '', value = ''] = FIELD.exec(line) ?? [];
		if (name === '') throw noHttp('an illegal header');
		const key = name.toLowerCase();
		if (headers.has(key) && SAYS_LENGTH.includes(key)) throw noHttp('two lengths');
		headers.set(key, value);
	}
	return headers;
}

/** RFC 9112 §6.3, without a body that ends with the connection: nobody could tell whether it was cut off. */
function bodyLength(status: number, headers: ReadonlyMap<string, string>): number | 'chunked' {
	if (WITHOUT_BODY.includes(status)) return 0;
	const text = headers.get('content-length');
	const coding = headers.get('transfer-encoding');
	if (text === undefined && coding?.toLowerCase() === 'chunked') return 'chunked';
	if (text === undefined || coding !== undefined || !/^\d{1,15}$/.test(text)) throw noHttp('no length');
	if (Number(text) > MAX_BODY_BYTES) throw tooLong();
	return Number(text);
}

function readLength(received: Buffer, length: number): Buffer | undefined {
	if (received.length > length) throw noHttp('more than one answer');
	return received.length === length ? received : undefined;
}

/** RFC 9112 §7.1, without extensions and trailers. */
function readChunks(received: Buffer): Buffer | undefined {
	const chunks: Buffer[] = [];
	for (let position = 0, total = 0; ;) {
		const lineEnd = received.indexOf('\r\n', position);
		if (lineEnd === -1 && received.length - position <= LONGEST_CHUNK_LINE) return undefined;
		const size = received.toString('latin1', position, lineEnd === -1 ? undefined : lineEnd);
		if (!/^[0-9a-f]{1,8}$/i.test(size)) throw noHttp('an illegal chunk');
		const length = Number.parseInt(size, 16);
		total += length;
		if (total > MAX_BODY_BYTES) throw tooLong();
		const end = lineEnd + 2 + length;
		if (received.length < end + 2) return undefined;
		if (received.toString('latin1', end, end + 2) !== '\r\n') throw noHttp('an illegal chunk');
		position = end + 2;
		if (length > 0) chunks.push(received.subarray(lineEnd + 2, end));
		else if (received.length > position) throw noHttp('more than one answer');
		else return Buffer.concat(chunks);
	}
}

function tooLong(): BirthmarkError {
	return new BirthmarkError('ca-protocol', `the CA's answer is larger than ${MAX_BODY_BYTES / 1024} KiB`);
}

/**
 * One answer of HTTP/1.1 (RFC 9112), read as strictly as it is small: the CA says the length of
 * whatever it sends, and nothing that ends TLS may stand between it and the agent. The runtime's own
 * client would double what the agent takes of memory, and make its start longer.
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
/** RFC 9112 §4, the reason is empty or visible text */
const STATUS_LINE = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
/** RFC 9110 §5.1, §5.5; no line is folded */
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;
const WITHOUT_BODY: readonly number[] = [204, 304];

/**
 * @returns a function that takes the bytes as they come; it returns the answer when it is complete, and
 * undefined before
 * @throws BirthmarkError `ca-protocol` from that function
 */
export function answerReader(): (bytes: Buffer) => HttpAnswer | undefined {
	let received: Buffer = Buffer.alloc(0);
	let head: (Omit<HttpAnswer, 'body'> & { readonly bodyStart: number; readonly end: number }) | undefined;
	return (bytes) => {
		received = Buffer.concat([received, bytes]);
		head ??= readHead(received);
		if (head === undefined || received.length < head.end) return undefined;
		const { status, headers, bodyStart, end } = head;
		if (received.length > end) throw noHttp('more than one answer');
		return { status, headers, body: received.subarray(bodyStart) };
	};
}

export function noHttp(why: string, cause?: unknown): BirthmarkError {
	return new BirthmarkError('ca-protocol', `what answers at the CA's address does not speak HTTP (${why})`, { cause });
}

function readHead(received: Buffer) {
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
	return { status, headers, bodyStart, end: bodyStart + bodyLength(status, headers) };
}

function readFields(lines: readonly string[]): Map<string, string> {
	const headers = new Map<string, string>();
	for (const line of lines) {
		const [, name = '', value = ''] = FIELD.exec(line) ?? [];
		if (name === '') throw noHttp('an illegal header');
		const key = name.toLowerCase();
		if (headers.has(key) && key === 'content-length') throw noHttp('two lengths');
		headers.set(key, value);
	}
	return headers;
}

/** RFC 9112 §6.3, without the ways that the CA does not use. */
function bodyLength(status: number, headers: ReadonlyMap<string, string>): number {
	if (WITHOUT_BODY.includes(status)) return 0;
	const text = headers.get('content-length');
	if (text === undefined || headers.has('transfer-encoding') || !/^\d{1,15}$/.test(text)) throw noHttp('no length');
	if (Number(text) > MAX_BODY_BYTES) throw new BirthmarkError('ca-protocol', `the CA's answer is larger than ${MAX_BODY_BYTES / 1024} KiB`);
	return Number(text);
}

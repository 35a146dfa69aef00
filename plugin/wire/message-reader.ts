/**
 * Reads the engine's calls from a connection: HTTP/1.1 (RFC 9112), of which the engine's client (Go,
 * net/http) uses little. Everything else is refused, so that there is one way to read every byte:
 * no chunks, no second call before the answer to the first, no `Expect`.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';

/** Go sends about 250 bytes. */
const MAX_HEAD_BYTES = 8 * 1024;
/** The engine shows bodies up to 4 MiB in base64, twice on the way back. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

const HEAD_END = Buffer.from('\r\n\r\n');
const REQUEST_LINE = /^([A-Z]+) (\/[!-~]*) HTTP\/1\.1$/;
/** RFC 9110 §5.1, §5.5; a line that continues the one before does not match. */
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;

export interface Message {
	readonly method: string;
	/** the request target as it was sent */
	readonly route: string;
	readonly body: Buffer;
}

type Head = Omit<Message, 'body'> & { readonly length: number };

/** One for each connection. After an error nothing that follows can be understood. */
export class MessageReader {
	#head: Head | undefined;
	#parts: Buffer[] = [];
	#size = 0;

	/**
	 * @returns the message that these bytes complete; undefined when more have to come
	 * @throws BirthmarkError `request-malformed`, `request-too-large`
	 */
	push(bytes: Buffer): Message | undefined {
		this.#keep(bytes);
		this.#head ??= this.#takeHead();
		if (!this.#head || this.#size < this.#head.length) return undefined;
		const { method, route, length } = this.#head;
		if (this.#size > length) throw malformed('it goes on after its end');
		const body = this.#joined();
		this.#head = undefined;
		this.#parts = [];
		this.#size = 0;
		return { method, route, body };
	}

	#keep(bytes: Buffer): void {
		this.#parts.push(bytes);
		this.#size += bytes.length;
	}

	#takeHead(): Head | undefined {
		const bytes = this.#joined();
		const end = bytes.indexOf(HEAD_END);
		if ((end < 0 ? bytes.length : end) > MAX_HEAD_BYTES) throw malformed('its head is too long');
		if (end < 0) {
			this.#parts = [bytes];
			return undefined;
		}
		const rest = bytes.subarray(end + HEAD_END.length);
		this.#parts = [rest];
		this.#size = rest.length;
		return parseHead(bytes.toString('latin1', 0, end));
	}

	#joined(): Buffer {
		return this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#size);
	}
}

function parseHead(text: string): Head {
	const [first = '', ...lines] = text.split('\r\n');
	const [, method, route] = REQUEST_LINE.exec(first) ?? [];
	if (method === undefined || route === undefined) throw malformed('its first line is none of HTTP/1.1');
	let length: number | undefined;
	for (const line of lines) {
		const [, name, value = ''] = FIELD.exec(line) ?? [];
		if (name === undefined) throw malformed('a header field cannot be read');
		switch (name.toLowerCase()) {
			case 'content-length':
				if (length !== undefined || !/^\d{1,15}$/.test(value)) throw malformed('its length is not clear');
				length = Number(value);
				break;
			case 'transfer-encoding':
			case 'expect':
				throw malformed(`it has ${name}, which the engine never sends`);
		}
	}
	if (length !== undefined && length > MAX_BODY_BYTES) throw new BirthmarkError('request-too-large');
	return { method, route, length: length ?? 0 };
}

function malformed(why: string): BirthmarkError {
	return new BirthmarkError('request-malformed', `a call cannot be understood: ${why}`);
}

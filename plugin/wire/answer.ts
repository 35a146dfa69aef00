/** Answers of the plugin protocol as bytes: status, length and JSON, in one piece for one write. */

import { STATUS_CODES } from 'node:http';

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json';

/** With its length, so that the engine's client can use the connection again. */
export function encodeAnswer(status: number, value: object): Buffer {
	const body = JSON.stringify(value);
	return Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${CONTENT_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

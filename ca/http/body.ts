/** Reading request bodies, never more than the limit. */

import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { MAX_JSON_BYTES } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';
import { parseUniqueJson } from '#common/protocol/strict-json.ts';

export const FORM_CONTENT_TYPE = 'application/x-www-form-urlencoded';

/** @throws BirthmarkError `request-too-large` as soon as that is known */
export async function readBytes(request: IncomingMessage, limit: number): Promise<Buffer> {
	const tooLarge = () => new BirthmarkError('request-too-large', `the body of the request is larger than ${limit} bytes`);
	if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
	const chunks: Buffer[] = [];
	let size = 0;
	try {
		for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
			size += chunk.length;
			if (size > limit) throw tooLarge();
			chunks.push(chunk);
		}
	} catch (cause) {
		if (cause instanceof BirthmarkError) throw cause;
		throw new BirthmarkError('request-malformed', 'the request broke off', { cause });
	}
	return Buffer.concat(chunks);
}

/** Of a body without its parameters, in lower case. */
export function contentTypeOf(header: string | undefined): string | undefined {
	return header?.split(';')[0]?.trim().toLowerCase();
}

/**
 * A form (`application/x-www-form-urlencoded`), each field at most once.
 *
 * @throws BirthmarkError `request-malformed`, `request-too-large`
 */
export async function readForm<Schema extends z.ZodType>(request: IncomingMessage, schema: Schema): Promise<z.output<Schema>> {
	if (contentTypeOf(request.headers['content-type']) !== FORM_CONTENT_TYPE) throw new BirthmarkError('request-malformed', 'this address takes a form');
	const bytes = await readBytes(request, MAX_JSON_BYTES);
	const fields = [...new URLSearchParams(bytes.toString('latin1'))];
	const value = Object.fromEntries(fields);
	if (Object.keys(value).length !== fields.length) throw new BirthmarkError('request-malformed', 'a field of the form is there more than once');
	return check(schema, value);
}

/**
 * JSON with each key at most once, by the media type that says so.
 *
 * @throws BirthmarkError `request-malformed` with every fault and its path, `request-too-large`
 */
export async function readJson<Schema extends z.ZodType>(request: IncomingMessage, schema: Schema, limit = MAX_JSON_BYTES): Promise<z.output<Schema>> {
	if (contentTypeOf(request.headers['content-type']) !== 'application/json') throw new BirthmarkError('request-malformed', 'this address takes a body of type application/json');
	const bytes = await readBytes(request, limit);
	let value: unknown;
	try {
		value = parseUniqueJson(bytes);
	} catch (cause) {
		throw new BirthmarkError('request-malformed', `the body of the request is not JSON of which there is one reading: ${(cause as Error).message}`, { cause });
	}
	return check(schema, value);
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
	const result = schema.safeParse(value);
	if (result.success) return result.data;
	const faults = result.error.issues.map((issue) => `${quote(issue.path.join('.') || '(top)')}: ${issue.message}`);
	throw new BirthmarkError('request-malformed', `the request has faults: ${faults.slice(0, 10).join('; ')}`);
}

/** Reading request bodies, never more than the limit. */

import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { MAX_JSON_BYTES } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';

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

/** @throws BirthmarkError `request-malformed` with every fault and its path, `request-too-large` */
export async function readJson<Schema extends z.ZodType>(request: IncomingMessage, schema: Schema, limit = MAX_JSON_BYTES): Promise<z.output<Schema>> {
	const contentType = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
	if (contentType !== 'application/json') throw new BirthmarkError('request-malformed', 'this address takes a body of type application/json');
	const bytes = await readBytes(request, limit);
	let value: unknown;
	try {
		value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
	} catch (cause) {
		throw new BirthmarkError('request-malformed', 'the body of the request is not JSON', { cause });
	}
	const result = schema.safeParse(value);
	if (result.success) return result.data;
	const faults = result.error.issues.map((issue) => `${quote(issue.path.join('.') || '(top)')}: ${issue.message}`);
	throw new BirthmarkError('request-malformed', `the request has faults: ${faults.slice(0, 10).join('; ')}`);
}

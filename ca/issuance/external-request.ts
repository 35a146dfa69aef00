/** Asking an external CA by the cfssl protocol: each of its addresses in order, 5 seconds each, by mutual TLS. */

import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { printable } from '#common/protocol/names.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { ExternalFiles } from './external-files.ts';

const TIMEOUT_MS = 5000;
const MAX_ANSWER_BYTES = 64 * 1024;

/** What cfssl's `api.Response` may hold; keys that it adds do not matter. */
const answerSchema = z.object({
	success: z.boolean(),
	result: z.object({ certificate: z.string() }).nullish(),
	errors: z.array(z.object({ code: z.number(), message: z.string() })).nullish(),
});

/** `signer.SignRequest` of cfssl. */
export interface SignOrder {
	readonly hosts: readonly string[];
	/** PEM */
	readonly certificate_request: string;
	readonly subject: { readonly CN: string; readonly names: ReadonlyArray<{ readonly O: string; readonly OU: string }> };
	readonly profile: string;
}

export interface RequestDeps {
	readonly logger: Pick<Logger, 'warn'>;
	/** of the trace that the request belongs to */
	readonly traceparent?: (() => string | undefined) | undefined;
}

/**
 * @returns the certificate, PEM, not yet checked
 * @throws BirthmarkError `upstream-unavailable` when no address gave an answer; `upstream-refused` when one refused, which is final
 */
export async function requestSignature(urls: readonly string[], files: ExternalFiles, order: SignOrder, { logger, traceparent }: RequestDeps): Promise<string> {
	const body = JSON.stringify(order);
	let last: unknown;
	for (const url of urls) {
		try {
			return readAnswer(await post(url, files, body, traceparent?.()));
		} catch (error) {
			last = error;
			logger.warn('the external CA gave no certificate', { address: new URL(url).host, commonName: order.subject.CN, error });
			if (error instanceof BirthmarkError) throw error;
		}
	}
	throw new BirthmarkError('upstream-unavailable', undefined, { cause: last });
}

interface Answer {
	readonly status: number;
	readonly text: string;
}

/** What is not an answer of cfssl's form, whatever its status, is no answer; nor is it one that the server cannot give now (RFC 9110 §15.6, RFC 6585 §4). */
function readAnswer({ status, text }: Answer): string {
	const { success, result, errors } = answerSchema.parse(JSON.parse(text));
	if (success && result) return result.certificate;
	const said = (errors ?? []).map(({ code, message }) => `${code} ${printable(message.slice(0, 300))}`).join('; ') || 'it does not say why';
	if (status >= 500 || status === 429) throw new Error(`the external CA answers with status ${status}: ${said}`);
	throw new BirthmarkError('upstream-refused', `the external CA refused: ${said}`);
}

async function post(url: string, { ca, certificate, key }: ExternalFiles, body: string, traceparent: string | undefined): Promise<Answer> {
	const deadline = AbortSignal.timeout(TIMEOUT_MS);
	const answer = await new Promise<IncomingMessage>((resolve, reject) => {
		const call = request(url, {
			method: 'POST',
			headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...(traceparent !== undefined && { traceparent }) },
			agent: false, // no resumed session: every connection proves itself anew
			minVersion: 'TLSv1.2',
			rejectUnauthorized: true,
			ca,
			cert: certificate,
			key,
			signal: deadline,
		}, resolve);
		call.on('error', reject);
		call.end(body);
	});
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of answer as AsyncIterable<Buffer>) {
		length += chunk.length;
		if (length > MAX_ANSWER_BYTES) throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
		chunks.push(chunk);
	}
	if (!answer.complete) throw new Error('the answer broke off');
	return { status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

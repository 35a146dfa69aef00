/** One request to a service: with the identity of this container, with none, or with a stolen one. */

import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { identity } from 'birthmark/client';
import { VolumeFile } from '#common/protocol/volume-files.ts';

/** Whose certificate is presented; `identity` is key and chain as in `identity.pem`. */
export type Caller = { readonly kind: 'own' } | { readonly kind: 'anonymous' } | { readonly kind: 'other'; readonly identity: Buffer };

export interface CallResult {
	readonly ok: boolean;
	readonly answer?: unknown;
	/** why there was no answer */
	readonly refused?: string;
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 16 * 1024;

/** Calls once; a refusal is a result, not an error. */
export async function call(url: URL, directory: string, caller: Caller): Promise<CallResult> {
	try {
		return { ok: true, answer: JSON.parse(await get(url, await tlsOptions(directory, caller))) };
	} catch (error) {
		return { ok: false, refused: describe(error) };
	}
}

/** Strangers know the trust bundle or do not care who answers them; the service must not rely on it. */
async function tlsOptions(directory: string, caller: Caller): Promise<ConnectionOptions> {
	if (caller.kind === 'own') {
		using me = await identity({ directory, timeoutMs: TIMEOUT_MS });
		return me.clientOptions();
	}
	const bundle = join(directory, VolumeFile.bundle);
	const trust = existsSync(bundle) ? { ca: readFileSync(bundle) } : { rejectUnauthorized: false };
	return caller.kind === 'anonymous' ? trust : { ...trust, key: caller.identity, cert: caller.identity };
}

function get(url: URL, options: object): Promise<string> {
	return new Promise((resolve, reject) => {
		const outgoing = request(url, { ...options, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) }, (answer) => {
			let text = '';
			answer.setEncoding('utf8');
			answer.on('data', (chunk: string) => {
				text += chunk;
				if (text.length > MAX_ANSWER_BYTES) answer.destroy(new Error('the answer is too large'));
			});
			answer.on('error', reject);
			answer.on('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(`status ${answer.statusCode}`))));
		});
		outgoing.on('error', reject);
		outgoing.end();
	});
}

/** Node closes the connection of a client whose certificate it rejects, without an alert that would say why; the server's log does. */
function describe(error: unknown): string {
	const { code = '', message } = error as Error & { code?: string };
	if (code === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED') return `the server refused the handshake: it asks for a certificate (${code})`;
	if (code === 'ECONNRESET') return `the server refused the handshake: this certificate is revoked, expired or not of its CA (${code})`;
	if (code === 'CERT_REVOKED') return `the certificate of the server is revoked (${code})`;
	return code === '' ? message : `${message} (${code})`;
}

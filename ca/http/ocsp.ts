/**
 * `POST /v1/ocsp` and `GET /v1/ocsp/…`: OCSP over HTTP (RFC 6960 Appendix A), with the headers of
 * RFC 5019 §6.2 where an answer may be kept.
 */

import { createHash } from 'node:crypto';
import { errorCode } from '#common/protocol/errors.ts';
import { MAX_OCSP_REQUEST_BYTES } from '#common/x509/ocsp-request.ts';
import { refusal, type Ocsp, type OcspReply } from '../revocation/ocsp.ts';
import type { Description } from './description.ts';
import type { ApiAnswer, Route } from './route.ts';

const REQUEST = 'application/ocsp-request';
const RESPONSE = 'application/ocsp-response';
const ANSWERS: Description['answers'] = { 200: { summary: 'OCSPResponse, DER; also when it says that the request was refused', contentType: RESPONSE } };

export interface OcspRouteDeps {
	readonly ocsp: Pick<Ocsp, 'answer'>;
	readonly clock: { now(): Date };
	/** how long HTTP caches may keep an answer */
	readonly cacheSeconds: number;
}

export function ocspRoutes({ ocsp, clock, cacheSeconds }: OcspRouteDeps): Route[] {
	const answer = async (request: Uint8Array): Promise<OcspReply> => {
		try {
			return await ocsp.answer(request);
		} catch (error) {
			// What OCSP has a word of its own for; anything else is a fault, and logged as one.
			if (errorCode(error) === 'ca-unavailable') return refusal('tryLater');
			throw error;
		}
	};
	return [
		{
			method: 'POST',
			path: '/v1/ocsp',
			roles: ['anonymous'],
			isPublic: true,
			description: { summary: 'what is known of certificates now', body: { contentTypes: [REQUEST], maxBytes: MAX_OCSP_REQUEST_BYTES }, answers: ANSWERS },
			async handle(request) {
				const { der } = await answer(await request.bytes(MAX_OCSP_REQUEST_BYTES));
				return { status: 200, body: der, contentType: RESPONSE, isPrivate: true };
			},
		},
		{
			method: 'GET',
			// Base64 has slashes, which not every client writes as %2F.
			path: '/v1/ocsp/*request',
			roles: ['anonymous'],
			isPublic: true,
			description: { summary: 'what is known of certificates now; the path ends with the OCSPRequest in base64', answers: ANSWERS },
			async handle(request) {
				const bytes = decode(request.parameter('request'));
				const { der, validity, hasNonce } = bytes ? await answer(bytes) : refusal('malformedRequest');
				const base: ApiAnswer = { status: 200, body: der, contentType: RESPONSE };
				if (!validity || hasNonce) return { ...base, isPrivate: true };
				return { ...base, headers: cacheHeaders(der, validity.thisUpdate, clock.now(), cacheSeconds) };
			},
		},
	];
}

/** @returns undefined for what is not base64 in its one form */
function decode(text: string): Buffer | undefined {
	const bytes = Buffer.from(text, 'base64');
	const unpadded = (value: string) => value.replace(/={1,2}$/, '');
	return bytes.length > 0 && unpadded(bytes.toString('base64')) === unpadded(text) ? bytes : undefined;
}

function cacheHeaders(der: Buffer, thisUpdate: Date, now: Date, cacheSeconds: number): Record<string, string> {
	return {
		'Cache-Control': `max-age=${cacheSeconds}, public, no-transform, must-revalidate`,
		'ETag': `"${createHash('sha256').update(der).digest('hex')}"`,
		'Last-Modified': thisUpdate.toUTCString(),
		'Expires': new Date(now.getTime() + cacheSeconds * 1000).toUTCString(),
	};
}

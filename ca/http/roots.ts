/** `GET /v1/roots`: the trust bundle, the exact bytes whose digest the tokens carry. */

import { PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import type { Route } from './route.ts';

export function rootsRoute({ bundle }: { readonly bundle: Buffer }): Route {
	return {
		method: 'GET',
		path: '/v1/roots',
		roles: ['anonymous'],
		description: {
			summary: 'the trust bundle, the exact bytes whose SHA-256 tokens carry',
			answers: { 200: { summary: 'root certificates, PEM', contentType: PEM_CHAIN_CONTENT_TYPE } },
		},
		handle: async () => ({ status: 200, body: bundle, contentType: PEM_CHAIN_CONTENT_TYPE }),
	};
}

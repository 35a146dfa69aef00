/**
 * `GET /v1/roots`: the trust bundle, the exact bytes whose digest the tokens carry; the digest is the
 * entity tag too. `GET /v1/roots?digest=<64 hex>`: the bundle of that digest while its tokens are
 * good, for whoever has a token that was minted just before the bundle changed.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import type { Authorities } from '../issuance/authorities.ts';
import { unlessKnown } from './entity-tag.ts';
import type { Route } from './route.ts';

export function rootsRoute({ authorities }: { readonly authorities: Pick<Authorities, 'current' | 'refresh'> }): Route {
	return {
		method: 'GET',
		path: '/v1/roots',
		roles: ['anonymous'],
		description: {
			summary: 'the trust bundle, the exact bytes whose SHA-256 tokens carry',
			answers: {
				200: { summary: 'root certificates, PEM; their digest is the ETag', contentType: PEM_CHAIN_CONTENT_TYPE },
				304: { summary: 'the bundle that the caller has is the one' },
			},
		},
		async handle(request) {
			const digest = request.query('digest') ?? authorities.current().digest.toString('hex');
			if (!/^[0-9a-f]{64}$/.test(digest)) throw new BirthmarkError('request-malformed', 'digest is not 64 hexadecimal digits in lower case');
			// Another instance may have published it just now.
			if (!authorities.current().bundles.has(digest)) await authorities.refresh();
			const body = authorities.current().bundles.get(digest);
			if (body === undefined) throw new BirthmarkError('not-found', 'the CA has no trust bundle of this digest, or has left it behind');
			return unlessKnown(request, digest, () => ({ status: 200, body, contentType: PEM_CHAIN_CONTENT_TYPE }));
		},
	};
}

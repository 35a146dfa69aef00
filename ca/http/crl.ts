/**
 * `GET /v1/crl`: the revocation list of everything under the active issuer, DER. `GET /v1/crl.pem`:
 * every list of the CA, which is what OpenSSL needs to check a whole chain. `GET /v1/crl/:partition`:
 * the one that the distribution point of a certificate names.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { CRL_CONTENT_TYPE } from '#common/protocol/messages.ts';
import type { RevocationLists } from '../revocation/lists.ts';
import { unlessKnown } from './entity-tag.ts';
import type { Route } from './route.ts';

/** RFC 8555 has a name for PEM chains of certificates; for lists nobody has. */
const CRL_PEM_CONTENT_TYPE = 'application/x-pem-file';
const NOT_MODIFIED = { summary: 'the list that the caller has is the newest' };

export function crlRoutes({ lists }: { readonly lists: Pick<RevocationLists, 'latest' | 'latestPem' | 'partition'> }): Route[] {
	return [
		{
			method: 'GET',
			path: '/v1/crl',
			roles: ['anonymous'],
			isPublic: true,
			description: {
				summary: 'the revocation list of the intermediate',
				answers: { 200: { summary: 'the list; its number is the ETag', contentType: CRL_CONTENT_TYPE }, 304: NOT_MODIFIED },
			},
			async handle(request) {
				const { number, der } = await lists.latest();
				return unlessKnown(request, String(number), () => ({ status: 200, body: der, contentType: CRL_CONTENT_TYPE }));
			},
		},
		{
			method: 'GET',
			path: '/v1/crl.pem',
			roles: ['anonymous'],
			isPublic: true,
			description: {
				summary: 'every revocation list of the CA',
				answers: { 200: { summary: 'the lists; their numbers are the ETag', contentType: CRL_PEM_CONTENT_TYPE }, 304: NOT_MODIFIED },
			},
			async handle(request) {
				const { numbers, pem } = await lists.latestPem();
				return unlessKnown(request, numbers.join('-'), () => ({ status: 200, body: pem, contentType: CRL_PEM_CONTENT_TYPE }));
			},
		},
		{
			method: 'GET',
			path: '/v1/crl/:partition',
			roles: ['anonymous'],
			isPublic: true,
			description: {
				summary: 'the revocation list that the distribution point of a certificate names',
				answers: { 200: { summary: 'the list; its number is the ETag', contentType: CRL_CONTENT_TYPE }, 304: NOT_MODIFIED },
				errors: ['not-found'],
			},
			async handle(request) {
				const text = request.parameter('partition');
				const list = /^[1-9]\d{0,8}$/.test(text) ? await lists.partition(Number(text)) : undefined;
				if (!list) throw new BirthmarkError('not-found', 'there is no such list');
				return unlessKnown(request, String(list.number), () => ({ status: 200, body: list.der, contentType: CRL_CONTENT_TYPE }));
			},
		},
	];
}

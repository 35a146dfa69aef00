/**
 * `GET /v1/crl`: the intermediate's revocation list, DER. `GET /v1/crl.pem`: every list of the CA,
 * which is what OpenSSL needs to check a whole chain.
 */

import { CRL_CONTENT_TYPE } from '#common/protocol/messages.ts';
import type { PublishedList, RevocationLists } from '../revocation/lists.ts';
import { unlessKnown } from './entity-tag.ts';
import type { Route } from './route.ts';

/** RFC 8555 has a name for PEM chains of certificates; for lists nobody has. */
const CRL_PEM_CONTENT_TYPE = 'application/x-pem-file';

export function crlRoutes({ lists }: { readonly lists: Pick<RevocationLists, 'current'> }): Route[] {
	const route = (path: string, contentType: string, body: (list: PublishedList) => Buffer | string): Route => ({
		method: 'GET',
		path,
		roles: ['anonymous'],
		description: {
			summary: path.endsWith('.pem') ? 'every revocation list of the CA' : 'the revocation list of the intermediate',
			answers: { 200: { summary: 'the list; its number is the ETag', contentType }, 304: { summary: 'the list that the caller has is the newest' } },
		},
		isPublic: true,
		async handle(request) {
			const list = lists.current();
			return unlessKnown(request, String(list.number), () => ({ status: 200, body: body(list), contentType }));
		},
	});
	return [
		route('/v1/crl', CRL_CONTENT_TYPE, (list) => list.der),
		route('/v1/crl.pem', CRL_PEM_CONTENT_TYPE, (list) => list.pem),
	];
}

/**
 * `GET /v1/issuers/:generation`: the certificate that a leaf was signed under, where its authority
 * information access points (RFC 5280 §4.2.2.1), for verifiers that were sent the leaf alone.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { decodePem } from '#common/x509/pem.ts';
import type { Authorities } from '../issuance/authorities.ts';
import { unlessKnown } from './entity-tag.ts';
import type { Route } from './route.ts';

const CERTIFICATE_CONTENT_TYPE = 'application/pkix-cert'; // RFC 2585 §4.1

export function issuerRoute({ authorities }: { readonly authorities: Pick<Authorities, 'current'> }): Route {
	return {
		method: 'GET',
		path: '/v1/issuers/:generation',
		roles: ['anonymous'],
		isPublic: true,
		description: {
			summary: 'the certificate of the intermediate of one generation of the CA',
			answers: { 200: { summary: 'DER', contentType: CERTIFICATE_CONTENT_TYPE }, 304: { summary: 'the caller has it' } },
			errors: ['not-found'],
		},
		async handle(request) {
			const generation = request.parameter('generation');
			const authority = authorities.current().all.find((one) => String(one.generation) === generation);
			if (!authority) throw new BirthmarkError('not-found', 'there is no such issuer, or nothing of it is alive any more');
			const [intermediate] = decodePem('CERTIFICATE', authority.chainPem)!;
			return unlessKnown(request, generation, () => ({ status: 200, body: intermediate!, contentType: CERTIFICATE_CONTENT_TYPE }));
		},
	};
}

/**
 * Where certificates point (RFC 5280 §4.2.1.13 and §4.2.2.1), for verifiers that were sent a leaf
 * alone: `GET /v1/issuers/:generation` is the intermediate that it was signed under,
 * `GET /v1/issuers/:generation/root` the root of that and `GET /v1/issuers/:generation/crl` the
 * root's list. Whom to trust nobody learns here.
 */

import { createHash } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { CRL_CONTENT_TYPE } from '#common/protocol/messages.ts';
import { decodePem } from '#common/x509/pem.ts';
import type { Authorities, Authority } from '../issuance/authorities.ts';
import { unlessKnown } from './entity-tag.ts';
import type { Route } from './route.ts';

const CERTIFICATE_CONTENT_TYPE = 'application/pkix-cert'; // RFC 2585 §4.1

export function issuerRoutes({ authorities }: { readonly authorities: Pick<Authorities, 'current'> }): Route[] {
	const route = (suffix: string, summary: string, contentType: string, read: (authority: Authority) => Buffer): Route => ({
		method: 'GET',
		path: `/v1/issuers/:generation${suffix}`,
		roles: ['anonymous'],
		isPublic: true,
		description: { summary, answers: { 200: { summary: 'DER', contentType }, 304: { summary: 'the caller has it' } }, errors: ['not-found'] },
		async handle(request) {
			const generation = request.parameter('generation');
			const authority = authorities.current().all.find((one) => String(one.generation) === generation);
			if (!authority) throw new BirthmarkError('not-found', 'there is no such issuer, or nothing of it is alive any more');
			const body = read(authority);
			return unlessKnown(request, createHash('sha256').update(body).digest('hex'), () => ({ status: 200, body, contentType }));
		},
	});
	return [
		route('', 'the certificate of the intermediate of one generation of the CA', CERTIFICATE_CONTENT_TYPE, ({ certificate }) => certificate),
		route('/root', 'the certificate of the root that this intermediate is under', CERTIFICATE_CONTENT_TYPE, ({ root }) => root),
		route('/crl', 'the revocation list of that root', CRL_CONTENT_TYPE, ({ rootRevocationList }) => decodePem('X509 CRL', rootRevocationList)![0]!),
	];
}

/**
 * The wire that Symbios had, on the same port: `GET /v1/hash`, `GET /v1/cert`, and `POST /v1/csr` with
 * the token in `X-Auth-Token`. The hash is that of the whole trust bundle (Symbios's was of one key in
 * it, which leaves room for others), and `X-Auth-Token` takes every token that `POST /v1/sign` takes.
 */

import { PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Authorities } from '../issuance/authorities.ts';
import { CSR_BODY, SIGN_ERRORS } from './description.ts';
import type { Route } from './route.ts';
import type { Sign } from './sign.ts';

export interface SymbiosRoutesDeps {
	readonly authorities: Pick<Authorities, 'current'>;
	readonly sign: Sign;
}

export function symbiosRoutes({ authorities, sign }: SymbiosRoutesDeps): Route[] {
	return [
		{
			method: 'GET',
			path: '/v1/hash',
			roles: ['anonymous'],
			description: { summary: 'SHA-256 of the trust bundle, for clients of Symbios', answers: { 200: { summary: '64 hexadecimal digits', contentType: 'text/plain' } } },
			handle: async () => ({ status: 200, body: authorities.current().digest.toString('hex'), contentType: 'text/plain' }),
		},
		{
			method: 'GET',
			path: '/v1/cert',
			roles: ['anonymous'],
			description: { summary: 'the trust bundle, for clients of Symbios', answers: { 200: { summary: 'root certificates, PEM', contentType: PEM_CHAIN_CONTENT_TYPE } } },
			handle: async () => ({ status: 200, body: authorities.current().bundle, contentType: PEM_CHAIN_CONTENT_TYPE }),
		},
		{
			method: 'POST',
			path: '/v1/csr',
			roles: ['anonymous'],
			description: {
				summary: 'a certificate for the token in X-Auth-Token, for clients of Symbios',
				body: CSR_BODY,
				answers: { 200: { summary: 'the certificate and what leads from it to a root', contentType: PEM_CHAIN_CONTENT_TYPE } },
				errors: ['unauthenticated', ...SIGN_ERRORS],
			},
			handle(request) {
				const token = request.header('x-auth-token');
				if (token === undefined) throw new BirthmarkError('unauthenticated', 'this address wants a token: "X-Auth-Token: <token>"');
				request.present(token);
				return sign(token, request);
			},
		},
	];
}

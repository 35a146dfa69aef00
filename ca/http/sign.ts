/**
 * `POST /v1/sign` with the token in `Authorization`, and `PUT /v1/sign/:token` as Pollendina had it:
 * a CSR, PEM or DER, becomes a certificate chain. The first is the one to use: paths end up in logs
 * of whatever lies between.
 */

import { MAX_CSR_BYTES, PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Authorities } from '../issuance/authorities.ts';
import type { Redeem } from '../registration/redeem.ts';
import { bearerToken } from './bearer.ts';
import { chainAnswer } from './chain.ts';
import { CSR_BODY, CSR_ERRORS, TOKEN_ERRORS, type Description } from './description.ts';
import type { ApiRequest, Route } from './route.ts';

export interface SignRouteDeps {
	readonly redeem: Redeem;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly logger: Logger;
}

export function signRoutes({ redeem, authorities, logger }: SignRouteDeps): Route[] {
	const sign = async (token: string, request: ApiRequest) => {
		const certificate = await redeem(token, await request.bytes(MAX_CSR_BYTES), request.actor);
		const { commonName, serial, node = '', authorizationId = '', startId = '' } = certificate;
		logger.info('issued', { commonName, serial, node, authorizationId, startId });
		return chainAnswer(certificate, authorities.current());
	};
	const description: Description = {
		summary: 'a container redeems the token of its start',
		body: CSR_BODY,
		answers: { 200: { summary: 'the certificate and its intermediate', contentType: PEM_CHAIN_CONTENT_TYPE } },
		errors: [...TOKEN_ERRORS, ...CSR_ERRORS, 'csr-key-reused', 'token-wrong-name', 'authorization-ended'],
	};
	return [
		{
			method: 'POST',
			path: '/v1/sign',
			roles: ['anonymous'],
			description: { ...description, bearer: 'container' },
			handle: (request) => sign(bearerToken(request), request),
		},
		{
			method: 'PUT',
			path: '/v1/sign/:token',
			roles: ['anonymous'],
			description,
			handle(request) {
				const token = request.parameter('token');
				request.present(token);
				return sign(token, request);
			},
		},
	];
}

/**
 * `POST /v1/sign` with the token in `Authorization`, and `PUT /v1/sign/:token` as Pollendina had it:
 * a CSR, PEM or DER, becomes a certificate chain. The first is the one to use: paths end up in logs
 * of whatever lies between.
 */

import { looksLikeUserToken } from '#common/protocol/user-token.ts';
import { MAX_CSR_BYTES, PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Authorities } from '../issuance/authorities.ts';
import type { EnrolUser } from '../registration/enrol-user.ts';
import type { Redeem } from '../registration/redeem.ts';
import { bearerToken } from './bearer.ts';
import { chainAnswer } from './chain.ts';
import { CSR_BODY, SIGN_ERRORS, type Description } from './description.ts';
import type { ApiAnswer, ApiRequest, Route } from './route.ts';

export interface SignRouteDeps {
	readonly redeem: Redeem;
	readonly enrolUser: EnrolUser;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly logger: Logger;
}

export type Sign = (token: string, request: ApiRequest) => Promise<ApiAnswer>;

/** @returns what every address does with a token and a CSR, whichever kind of token it is */
export function createSign({ redeem, enrolUser, authorities, logger }: SignRouteDeps): Sign {
	return async (token, request) => {
		const csr = await request.bytes(MAX_CSR_BYTES);
		const certificate = await (looksLikeUserToken(token) ? enrolUser : redeem)(token, csr, request.actor);
		const { commonName, serial, node = '', authorizationId = '', startId = '', userName } = certificate;
		logger.info('issued', { commonName, serial, ...(userName === undefined ? { node, authorizationId, startId } : { user: userName }) });
		return chainAnswer(certificate, authorities.current());
	};
}

export function signRoutes(sign: Sign): Route[] {
	const description: Description = {
		summary: 'a container redeems the token of its start, or somebody a token that a user signed',
		body: CSR_BODY,
		answers: { 200: { summary: 'the certificate and its intermediate', contentType: PEM_CHAIN_CONTENT_TYPE } },
		errors: SIGN_ERRORS,
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

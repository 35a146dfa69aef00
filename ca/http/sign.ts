/**
 * `POST /v1/sign` with the token in `Authorization`, and `PUT /v1/sign/:token` as Pollendina had it:
 * a CSR, PEM or DER, becomes a certificate chain. The first is the one to use: paths end up in logs
 * of whatever lies between.
 */

import { MAX_CSR_BYTES } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Redeem } from '../registration/redeem.ts';
import { bearerToken } from './bearer.ts';
import { chainAnswer } from './chain.ts';
import type { ApiRequest, Route } from './route.ts';

export interface SignRouteDeps {
	readonly redeem: Redeem;
	/** PEM */
	readonly intermediate: string;
	readonly logger: Logger;
}

export function signRoutes({ redeem, intermediate, logger }: SignRouteDeps): Route[] {
	const sign = async (token: string, request: ApiRequest) => {
		const certificate = await redeem(token, await request.bytes(MAX_CSR_BYTES));
		const { commonName, serial, node = '', authorizationId = '', startId = '' } = certificate;
		logger.info('issued', { commonName, serial, node, authorizationId, startId });
		return chainAnswer(certificate, intermediate);
	};
	return [
		{ method: 'POST', path: '/v1/sign', roles: ['anonymous'], handle: (request) => sign(bearerToken(request), request) },
		{ method: 'PUT', path: '/v1/sign/:token', roles: ['anonymous'], handle: (request) => sign(request.parameter('token'), request) },
	];
}

/**
 * `POST /v1/authorizations/:id/tokens`: a token for one start of the container.
 * `DELETE /v1/authorizations/:id`: the container is gone.
 */

import type { Logger } from '#common/runtime/log.ts';
import { nodeScope } from '../registration/caller.ts';
import type { Mint } from '../registration/mint.ts';
import type { Revoke } from '../revocation/revoke.ts';
import { mintedTokenAnswer } from './answers.ts';
import type { Route } from './route.ts';
import { mintSchema } from './schemas.ts';

export function mintRoute({ mint, logger }: { readonly mint: Pick<Mint, 'startToken'>; readonly logger: Logger }): Route {
	return {
		method: 'POST',
		path: '/v1/authorizations/:id/tokens',
		roles: ['node'],
		description: {
			summary: 'a one-time token for one start of the container',
			body: { schema: mintSchema },
			answers: { 201: { summary: 'the token', schema: mintedTokenAnswer } },
			errors: ['authorization-unknown', 'authorization-ended', 'name-not-allowed'],
		},
		async handle(request) {
			const start = await request.json(mintSchema);
			const authorizationId = request.parameter('id');
			const minted = await mint.startToken(request.caller.name, authorizationId, start, request.actor);
			logger.info('token minted', { node: request.caller.name, authorizationId, startId: start.startId });
			return { status: 201, json: minted, isPrivate: true };
		},
	};
}

export function endAuthorizationRoute({ revoke, logger }: { readonly revoke: Pick<Revoke, 'authorization'>; readonly logger: Logger }): Route {
	return {
		method: 'DELETE',
		path: '/v1/authorizations/:id',
		roles: ['node', 'operator'],
		description: {
			summary: 'the container is gone: its certificates are revoked, nothing can come of the authorization any more',
			answers: { 204: { summary: 'done, or done before' } },
			errors: ['authorization-unknown'],
		},
		async handle(request) {
			const authorizationId = request.parameter('id');
			const revoked = await revoke.authorization(authorizationId, nodeScope(request.caller), request.actor);
			logger.info('authorization ended', { authorizationId, count: revoked });
			return { status: 204 };
		},
	};
}

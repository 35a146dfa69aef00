/** `POST /v1/revoke`: by an operator everything, by a node its own. */

import type { Logger } from '#common/runtime/log.ts';
import { nodeScope } from '../registration/caller.ts';
import type { Revoke } from '../revocation/revoke.ts';
import { revokeAnswer } from './answers.ts';
import type { Route } from './route.ts';
import { revokeSchema } from './schemas.ts';

export function revokeRoute({ revoke, logger }: { readonly revoke: Pick<Revoke, 'certificates'>; readonly logger: Logger }): Route {
	return {
		method: 'POST',
		path: '/v1/revoke',
		roles: ['operator', 'node'],
		description: {
			summary: 'revokes certificates, said by exactly one of serial, container, name, node and authorization',
			body: { schema: revokeSchema },
			answers: { 200: { summary: 'how many, and the list that says so', schema: revokeAnswer } },
			errors: ['certificate-unknown', 'authorization-unknown'],
		},
		async handle(request) {
			const body = await request.json(revokeSchema);
			const answer = await revoke.certificates(body, nodeScope(request.caller), request.actor);
			logger.info('revoked', { role: request.caller.role, count: answer.revoked, reason: body.reason ?? 'unspecified' });
			return { status: 200, json: answer };
		},
	};
}

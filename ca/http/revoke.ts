/** `POST /v1/revoke` and, for many at once, `POST /v1/revocations`: by an operator everything, by a node its own. */

import { MAX_REVOCATIONS_BYTES, type RevocationResult } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import { nodeScope } from '../registration/caller.ts';
import type { Revocation, Revoke } from '../revocation/revoke.ts';
import { revocationsAnswer, revokeAnswer } from './answers.ts';
import { toIdentity } from './identities.ts';
import { problemOf } from './problem.ts';
import type { Route } from './route.ts';
import { revocationsSchema, revokeSchema } from './schemas.ts';

export interface RevokeRouteDeps {
	readonly revoke: Pick<Revoke, 'certificates' | 'many'>;
	readonly clock: { now(): Date };
	readonly logger: Logger;
}

export function revokeRoutes({ revoke, clock, logger }: RevokeRouteDeps): Route[] {
	const render = ({ revoked, identities }: Revocation): RevocationResult => {
		const now = clock.now();
		return { revoked, ...(identities && { identities: identities.map((identity) => toIdentity(identity, now)) }) };
	};
	return [
		{
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
				const { crlNumber, ...done } = await revoke.certificates(body, nodeScope(request.caller), request.actor);
				if (!body.dryRun) logger.info('revoked', { role: request.caller.role, count: done.revoked, reason: body.reason ?? 'unspecified' });
				return { status: 200, json: { ...render(done), crlNumber } };
			},
		},
		{
			method: 'POST',
			path: '/v1/revocations',
			roles: ['operator', 'node'],
			description: {
				summary: 'revokes by many selectors at once, each on its own: one that fails does not stop the others',
				body: { schema: revocationsSchema },
				answers: { 200: { summary: 'one result for each, in their order, and the list that says so', schema: revocationsAnswer } },
			},
			async handle(request) {
				const body = await request.json(revocationsSchema, MAX_REVOCATIONS_BYTES);
				const { results, crlNumber } = await revoke.many(body, nodeScope(request.caller), request.actor);
				for (const result of results) if ('error' in result) await request.refuse(result.error);
				const rendered = results.map((result): RevocationResult => {
					if (!('error' in result)) return render(result);
					const { code, detail } = problemOf(result.error);
					return { revoked: 0, code, detail };
				});
				const revoked = rendered.reduce((sum, result) => sum + result.revoked, 0);
				if (!body.dryRun) logger.info('revoked', { role: request.caller.role, count: revoked });
				return { status: 200, json: { results: rendered, revoked, crlNumber } };
			},
		},
	];
}

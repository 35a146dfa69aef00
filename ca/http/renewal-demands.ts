/**
 * `POST /v1/renewal-demands`, `GET /v1/renewal-demands/:number` and `POST …/revocation`: an operator has
 * certificates renewed now. `GET /v1/renewal-demands`: a node waits for what its containers are to renew.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { RevokeAnswer } from '#common/protocol/messages.ts';
import { MAX_DEMAND_WAIT_SECONDS, type RenewalDemand } from '#common/protocol/renewal-demands.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { RenewalDemands } from '../registration/renewal-demands.ts';
import type { RevocationLists } from '../revocation/lists.ts';
import type { DemandProgress } from '../store/store.ts';
import { nodeDemandsAnswer, renewalDemandAnswer, revokeAnswer } from './answers.ts';
import { readNumber, toIdentity } from './identities.ts';
import type { ApiRequest, Route } from './route.ts';
import { emptySchema, renewalDemandSchema } from './schemas.ts';

export interface RenewalDemandRoutesDeps {
	readonly renewalDemands: Omit<RenewalDemands, 'close'>;
	readonly lists: Pick<RevocationLists, 'latest'>;
	/** nothing is held for longer than a request may take */
	readonly limits: { readonly requestSeconds: number };
	readonly clock: { now(): Date };
	readonly logger: Logger;
}

export function renewalDemandRoutes({ renewalDemands, lists, limits, clock, logger }: RenewalDemandRoutesDeps): Route[] {
	const render = ({ notRenewed, ...counts }: DemandProgress): RenewalDemand => {
		const now = clock.now();
		return { ...counts, notRenewed: notRenewed.map((identity) => toIdentity(identity, now)) };
	};
	return [
		{
			method: 'POST',
			path: '/v1/renewal-demands',
			roles: ['operator'],
			description: {
				summary: 'has certificates of workloads that are in use renewed now, said by exactly one of serial, container, name, node and all',
				body: { schema: renewalDemandSchema },
				answers: { 201: { summary: 'the number of the demand, and how far it has come', schema: renewalDemandAnswer } },
			},
			async handle(request) {
				const progress = await renewalDemands.demand(await request.json(renewalDemandSchema), request.actor);
				logger.info('renewal demanded', { count: progress.pending });
				return { status: 201, json: render(progress) };
			},
		},
		{
			method: 'GET',
			path: '/v1/renewal-demands',
			roles: ['node'],
			description: {
				summary: 'waits for what the containers of the node are to renew now',
				query: { after: 'the number of the answer before this one', wait: `how many seconds to wait for a demand, up to ${MAX_DEMAND_WAIT_SECONDS}; not at all when absent` },
				answers: { 200: { summary: 'what was demanded since and is not renewed yet; maybe nothing', schema: nodeDemandsAnswer } },
			},
			async handle(request) {
				const after = readNumber(request, 'after', Number.MAX_SAFE_INTEGER) ?? 0;
				const wait = readNumber(request, 'wait', MAX_DEMAND_WAIT_SECONDS) ?? 0;
				return { status: 200, json: await renewalDemands.next(request.caller.name, after, Math.min(wait, limits.requestSeconds) * 1000) };
			},
		},
		{
			method: 'GET',
			path: '/v1/renewal-demands/:number',
			roles: ['operator'],
			description: {
				summary: 'how far a demand has come',
				answers: { 200: { summary: 'how many were renewed, and the first that were not', schema: renewalDemandAnswer } },
			},
			handle: async (request) => ({ status: 200, json: render(await renewalDemands.progress(numberOf(request))) }),
		},
		{
			method: 'POST',
			path: '/v1/renewal-demands/:number/revocation',
			roles: ['operator'],
			description: {
				summary: 'revokes the certificates that were replaced since the demand',
				body: { schema: emptySchema },
				answers: { 200: { summary: 'how many, and the list that says so', schema: revokeAnswer } },
			},
			async handle(request) {
				await request.json(emptySchema);
				const revoked = await renewalDemands.revokeReplaced(numberOf(request), request.actor);
				logger.info('revoked', { role: request.caller.role, count: revoked, reason: 'superseded' });
				const answer: RevokeAnswer = { revoked, crlNumber: (await lists.latest()).number };
				return { status: 200, json: answer };
			},
		},
	];
}

/** @throws BirthmarkError `not-found` */
function numberOf(request: ApiRequest): number {
	const text = request.parameter('number');
	if (!/^[1-9]\d{0,14}$/.test(text)) throw new BirthmarkError('not-found');
	return Number(text);
}

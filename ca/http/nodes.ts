/** `POST /v1/join-tokens`, `GET /v1/nodes`, `PATCH` and `DELETE /v1/nodes/:name`: an operator's rule over nodes. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { NodeInfo } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import { updatedRules } from '../registration/allow.ts';
import type { Mint } from '../registration/mint.ts';
import type { Revoke } from '../revocation/revoke.ts';
import type { Store } from '../store/store.ts';
import { mintedTokenAnswer, nodeAnswer, nodesAnswer, revokeAnswer } from './answers.ts';
import type { Route } from './route.ts';
import { joinTokenSchema, nodeUpdateSchema } from './schemas.ts';

export interface NodeRoutesDeps {
	readonly store: Pick<Store, 'listNodes' | 'changeAllow'>;
	readonly mint: Pick<Mint, 'joinToken'>;
	readonly revoke: Pick<Revoke, 'node'>;
	readonly clock: { now(): Date };
	readonly logger: Logger;
}

export function nodeRoutes({ store, mint, revoke, clock, logger }: NodeRoutesDeps): Route[] {
	const listNodes = async (): Promise<NodeInfo[]> => {
		const records = await store.listNodes(clock.now());
		return records.map(({ name, status, allow, joinedAt, liveIdentities }) => ({ name, status, allow, joinedAt: joinedAt.toISOString(), liveIdentities }));
	};
	return [
		{
			method: 'POST',
			path: '/v1/join-tokens',
			roles: ['operator'],
			description: {
				summary: 'a one-time token with which a node or an operator joins',
				body: { schema: joinTokenSchema },
				answers: { 201: { summary: 'the token', schema: mintedTokenAnswer } },
				errors: ['name-illegal'],
			},
			async handle(request) {
				const body = await request.json(joinTokenSchema);
				const minted = await mint.joinToken(body, request.actor);
				logger.info('join token minted', { role: body.role, ...(body.name !== undefined && { commonName: body.name }) });
				return { status: 201, json: minted, isPrivate: true };
			},
		},
		{
			method: 'GET',
			path: '/v1/nodes',
			roles: ['operator'],
			description: { summary: 'every node that ever joined', answers: { 200: { summary: 'by name', schema: nodesAnswer } } },
			handle: async () => ({ status: 200, json: { nodes: await listNodes() } }),
		},
		{
			method: 'PATCH',
			path: '/v1/nodes/:name',
			roles: ['operator'],
			description: {
				summary: 'which names the node may authorize from now on',
				body: { schema: nodeUpdateSchema },
				answers: { 200: { summary: 'the node', schema: nodeAnswer } },
				errors: ['node-unknown'],
			},
			async handle(request) {
				const name = request.parameter('name');
				const update = await request.json(nodeUpdateSchema);
				const allow = await store.changeAllow(name, (before) => updatedRules(before, update), clock.now(), request.actor);
				if (!allow) throw new BirthmarkError('node-unknown');
				logger.info('allow rules changed', { node: name, count: allow.length });
				return { status: 200, json: (await listNodes()).find((node) => node.name === name) };
			},
		},
		{
			method: 'DELETE',
			path: '/v1/nodes/:name',
			roles: ['operator'],
			description: {
				summary: 'cuts the node off: revokes its certificates and all that it authorized',
				answers: { 200: { summary: 'how many, and the list that says so', schema: revokeAnswer } },
				errors: ['node-unknown'],
			},
			async handle(request) {
				const name = request.parameter('name');
				const answer = await revoke.node(name, request.actor);
				logger.warn('node cut off', { node: name, count: answer.revoked });
				return { status: 200, json: answer };
			},
		},
	];
}

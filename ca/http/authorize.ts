/** `POST /v1/authorize`: a node registers one of its containers, or asks whether it could. */

import type { Logger } from '#common/runtime/log.ts';
import type { Authorize } from '../registration/authorize.ts';
import { authorizationAnswer } from './answers.ts';
import type { Route } from './route.ts';
import { authorizeSchema } from './schemas.ts';

export function authorizeRoute({ authorize, logger }: { readonly authorize: Authorize; readonly logger: Logger }): Route {
	return {
		method: 'POST',
		path: '/v1/authorize',
		roles: ['node'],
		description: {
			summary: 'a node registers one of its containers, or asks whether it could',
			body: { schema: authorizeSchema },
			answers: {
				200: { summary: 'it could (dry run)', schema: authorizationAnswer },
				201: { summary: 'the authorization, the same for the same container and names', schema: authorizationAnswer },
			},
			errors: ['name-illegal', 'name-not-allowed', 'authorization-ended', 'authorization-conflict'],
		},
		async handle(request) {
			const body = await request.json(authorizeSchema);
			const node = request.caller.name;
			const authorization = await authorize(node, body, request.actor);
			if (body.dryRun) return { status: 200, json: authorization };
			logger.info('authorized', {
				node,
				commonName: authorization.commonName,
				...(authorization.id !== undefined && { authorizationId: authorization.id }),
				...(body.containerId !== undefined && { containerId: body.containerId }),
				image: body.image,
			});
			return { status: 201, json: authorization };
		},
	};
}

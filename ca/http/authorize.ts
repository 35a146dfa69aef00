/**
 * `POST /v1/authorize`: a node registers one of its containers, or asks whether it could. As a form, the
 * same in the words of Pollendina: `cn=…&token=…`, the token chosen by the node.
 */

import type { Logger } from '#common/runtime/log.ts';
import type { Authorize } from '../registration/authorize.ts';
import type { createAuthorizeForm } from '../registration/authorize-form.ts';
import { authorizationAnswer } from './answers.ts';
import { contentTypeOf, FORM_CONTENT_TYPE } from './body.ts';
import type { Route } from './route.ts';
import { authorizeFormSchema, authorizeSchema } from './schemas.ts';

export interface AuthorizeRouteDeps {
	readonly authorize: Authorize;
	readonly authorizeForm: ReturnType<typeof createAuthorizeForm>;
	readonly logger: Logger;
}

export function authorizeRoute({ authorize, authorizeForm, logger }: AuthorizeRouteDeps): Route {
	return {
		method: 'POST',
		path: '/v1/authorize',
		roles: ['node'],
		description: {
			summary: 'a node registers one of its containers, or asks whether it could',
			body: { schema: authorizeSchema, form: authorizeFormSchema },
			answers: {
				200: { summary: 'it could (dry run)', schema: authorizationAnswer },
				201: { summary: 'the authorization, the same for the same container and names', schema: authorizationAnswer },
			},
			errors: ['name-illegal', 'name-not-allowed', 'authorization-ended', 'authorization-conflict', 'token-malformed', 'token-expired'],
		},
		async handle(request) {
			const node = request.caller.name;
			if (contentTypeOf(request.header('content-type')) === FORM_CONTENT_TYPE) {
				const authorization = await authorizeForm(node, await request.form(authorizeFormSchema), request.actor);
				logger.info('authorized', { node, commonName: authorization.commonName, authorizationId: authorization.id! });
				return { status: 201, json: authorization };
			}
			const body = await request.json(authorizeSchema);
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

/** `GET` and `POST /v1/users`, `PATCH` and `DELETE /v1/users/:name`: an operator's rule over those who sign tokens themselves. */

import type { Logger } from '#common/runtime/log.ts';
import type { Users } from '../registration/users.ts';
import type { Revoke } from '../revocation/revoke.ts';
import { revokeAnswer, userAnswer, usersAnswer } from './answers.ts';
import type { Route } from './route.ts';
import { userSchema, userUpdateSchema } from './schemas.ts';

export interface UserRoutesDeps {
	readonly users: Users;
	readonly revoke: Pick<Revoke, 'user'>;
	readonly logger: Logger;
}

export function userRoutes({ users, revoke, logger }: UserRoutesDeps): Route[] {
	return [
		{
			method: 'GET',
			path: '/v1/users',
			roles: ['operator'],
			description: { summary: 'every user, with how many live identities it has', answers: { 200: { summary: 'the users', schema: usersAnswer } } },
			handle: async () => ({ status: 200, json: { users: await users.list() } }),
		},
		{
			method: 'POST',
			path: '/v1/users',
			roles: ['operator'],
			description: {
				summary: 'a public key whose tokens count from now on',
				body: { schema: userSchema },
				answers: { 201: { summary: 'the user', schema: userAnswer } },
				errors: ['name-illegal', 'csr-key-weak', 'csr-key-unsupported', 'user-exists'],
			},
			async handle(request) {
				const user = await users.add(await request.json(userSchema), request.actor);
				logger.info('user added', { user: user.name, count: user.allow.length });
				return { status: 201, json: user };
			},
		},
		{
			method: 'PATCH',
			path: '/v1/users/:name',
			roles: ['operator'],
			description: {
				summary: 'which names a user may enrol, from now on',
				body: { schema: userUpdateSchema },
				answers: { 200: { summary: 'the user', schema: userAnswer } },
				errors: ['user-unknown'],
			},
			async handle(request) {
				const { allow } = await request.json(userUpdateSchema);
				const user = await users.allow(request.parameter('name'), allow, request.actor);
				logger.info('allow rules changed', { user: user.name, count: allow.length });
				return { status: 200, json: user };
			},
		},
		{
			method: 'DELETE',
			path: '/v1/users/:name',
			roles: ['operator'],
			description: {
				summary: 'cuts a user off and revokes everything it enrolled',
				answers: { 200: { summary: 'how many were revoked', schema: revokeAnswer } },
				errors: ['user-unknown'],
			},
			async handle(request) {
				const name = request.parameter('name');
				const answer = await revoke.user(name, request.actor);
				logger.warn('user cut off', { user: name, count: answer.revoked });
				return { status: 200, json: answer };
			},
		},
	];
}

/** `GET` and `POST /v1/rotation`, `POST /v1/rotation/{activate,abort,finish}`: an operator changes the keys of the CA. */

import type { Rotation } from '../issuance/rotate.ts';
import { rotationAnswer } from './answers.ts';
import type { BodyDescription } from './description.ts';
import type { ApiRequest, Route } from './route.ts';
import { emptySchema, rotationSchema, rotationStepSchema } from './schemas.ts';

export function rotationRoutes({ rotation }: { readonly rotation: Omit<Rotation, 'advance'> }): Route[] {
	const route = (path: string, summary: string, body: BodyDescription | undefined, take: (request: ApiRequest) => Promise<unknown>): Route => ({
		method: body ? 'POST' : 'GET',
		path,
		roles: ['operator'],
		description: {
			summary,
			...(body && { body }),
			answers: { 200: { summary: 'where the rotation stands', schema: rotationAnswer } },
			errors: body ? ['rotation-stage', 'rotation-waits', 'root-key-missing'] : [],
		},
		handle: async (request) => ({ status: 200, json: await take(request) }),
	});
	return [
		route('/v1/rotation', 'where the rotation of the CA\'s keys stands', undefined, () => rotation.status()),
		route('/v1/rotation', 'makes the next keys and publishes them, or replaces compromised ones at once', { schema: rotationSchema }, async (request) => {
			return rotation.start(await request.json(rotationSchema), request.actor);
		}),
		route('/v1/rotation/activate', 'issues everything with the new keys', { schema: rotationStepSchema }, async (request) => {
			return rotation.activate((await request.json(rotationStepSchema)).force ?? false, request.actor);
		}),
		route('/v1/rotation/abort', 'takes the last step back', { schema: emptySchema }, async (request) => {
			await request.json(emptySchema);
			return rotation.abort(request.actor);
		}),
		route('/v1/rotation/finish', 'leaves the old keys behind', { schema: rotationStepSchema }, async (request) => {
			return rotation.finish((await request.json(rotationStepSchema)).force ?? false, request.actor);
		}),
	];
}

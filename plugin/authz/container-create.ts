/** `POST /containers/create`: isolation for every container, then the identity of a labelled one. */

import { parseCreateBody } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { checkIdentityCreate } from './identity-create.ts';
import { checkIsolation } from './isolation.ts';
import { refuseOldVersion } from './old-api.ts';
import type { AuthorizerDeps } from './rule.ts';

/** @throws BirthmarkError to refuse */
export async function checkCreate(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	refuseOldVersion(call, 'create containers');
	const body = parseCreateBody(call.body);
	await checkIsolation(deps, body);
	// The engine will refuse an image that it does not have; the client then pulls it and asks again.
	const image = body.image === '' ? undefined : await deps.engine.image(body.image);
	await checkIdentityCreate(deps, call, body, image, call.query.get('name') ?? '');
}

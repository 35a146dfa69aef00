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
	await checkIdentityCreate(deps, body, call.query.get('name') ?? '');
}

/** `POST /networks/X/connect`: another network for a container with an identity. Permitted by a built-in rule, which a file may overrule. */

import { parseBody } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { asString, structFields } from './go-struct.ts';
import { checkReach } from './labelled-containers.ts';
import type { AuthorizerDeps } from './rule.ts';

/** @throws BirthmarkError to refuse */
export async function checkConnect(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	const body = structFields(parseBody(call.body, 'connect a container to a network'), 'the request');
	const container = await deps.lookup.labelled(asString(body.get('container'), 'Container'));
	if (container) await checkReach(deps, call, 'connect', container, 'on another network others reach it');
}

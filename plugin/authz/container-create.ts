/** `POST /containers/create`: isolation for every container, then the identity of a labelled one. */

import { parseCreateBody } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { checkIdentityCreate } from './identity-create.ts';
import { checkVolumeDriver } from './isolation.ts';
import { hasIdentityLabels, withImageLabels } from './labels.ts';
import { refuseOldVersion } from './old-api.ts';
import { checkReachHost } from './reach-host.ts';
import type { AuthorizerDeps } from './rule.ts';
import { refuseSwarmLabels } from './swarm-labels.ts';

/** @throws BirthmarkError to refuse */
export async function checkCreate(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	refuseOldVersion(call, 'create containers');
	const body = parseCreateBody(call.body);
	checkVolumeDriver(await deps.self(), body);
	// The engine will refuse an image that it does not have; the client then pulls it and asks again.
	const image = body.image === '' ? undefined : await deps.engine.image(body.image);
	const labels = withImageLabels(body.labels, image);
	if (hasIdentityLabels(labels)) refuseSwarmLabels(labels);
	const names = await checkIdentityCreate(deps, call, body, image);
	await checkReachHost(deps, call, body, image, names);
}

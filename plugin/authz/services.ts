/**
 * `POST /services/create` and `/services/X/update`: tasks of a service are created inside the engine,
 * without a call that could be judged, so the service is judged instead (42).
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { namesUs } from '../self.ts';
import { parseBody, parseMounts } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { structFields } from './go-struct.ts';
import { checkMounts } from './isolation.ts';
import type { AuthorizerDeps } from './rule.ts';

/** @throws BirthmarkError to refuse */
export async function checkService(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	const service = structFields(parseBody(call.body, 'change a service'), 'the request');
	const task = structFields(service.get('tasktemplate'), 'TaskTemplate');
	const container = structFields(task.get('containerspec'), 'ContainerSpec');
	const mounts = parseMounts(container.get('mounts'), 'ContainerSpec.Mounts');
	await checkMounts(deps, mounts);
	const self = await deps.self();
	if (mounts.some((mount) => namesUs(self, mount.driver) || deps.records.hasVolume(mount.source))) {
		throw new BirthmarkError('mount-illegal', 'tasks of a service cannot have identities; run it as a container');
	}
}

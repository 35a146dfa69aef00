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
	// Swarm fills in templates when it makes the tasks. In the name of a volume they do no harm: its Mount is judged as well.
	if (mounts.some(({ type, source, driverOptions }) => (type !== 'volume' && source.includes('{{')) || driverOptions.get('o')?.includes('{{'))) {
		throw new BirthmarkError('mount-illegal', 'a template in a bind cannot be judged before the task is made; write it out');
	}
	await checkMounts(deps, mounts);
	const self = await deps.self();
	if (mounts.some((mount) => namesUs(self, mount.driver) || deps.records.hasVolume(mount.source))) {
		throw new BirthmarkError('mount-illegal', 'tasks of a service cannot have identities; run it as a container');
	}
}

/**
 * `POST /services/create` and `/services/X/update`: tasks of a service are created inside the engine,
 * without a call that could be judged, so the service is judged instead (42).
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { judgeService } from '../swarm/service-birth.ts';
import { parseBody, parseMounts } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { asString, isSet, structFields, type Fields } from './go-struct.ts';
import { checkPluginService } from './plugins.ts';
import { checkServicePowers } from './service-powers.ts';
import type { AuthorizerDeps } from './rule.ts';

/**
 * What is decided of an update is recorded at once: the engine makes the first task of it before it answers.
 *
 * @param subject the service, of an update
 * @throws BirthmarkError to refuse
 */
export async function checkService(deps: AuthorizerDeps, call: EngineCall, subject: string): Promise<void> {
	const service = bodyOf(call);
	const task = structFields(service.get('tasktemplate'), 'TaskTemplate');
	const container = structFields(task.get('containerspec'), 'ContainerSpec');
	const mounts = parseMounts(container.get('mounts'), 'ContainerSpec.Mounts');
	// Swarm fills in templates when it makes the tasks. In the name of a volume they do no harm: its Mount is judged as well.
	if (mounts.some(({ type, source, driverOptions }) => (type !== 'volume' && source.includes('{{')) || driverOptions.get('o')?.includes('{{'))) {
		throw new BirthmarkError('mount-illegal', 'a template in a bind cannot be judged before the task is made; write it out');
	}
	if (isSet(task.get('pluginspec'))) await checkPluginService(deps, call, structFields(task.get('pluginspec'), 'PluginSpec'));
	await checkServicePowers(deps, call, asString(service.get('name'), 'Name'), container, mounts);
	const spec = await judgeService(deps, service, call);
	const id = spec && subject !== '' ? await deps.engine.serviceId(subject) : undefined;
	if (spec && id !== undefined) deps.records.services.add(id, spec);
}

/** After the engine created a service: decides again, and records it under its id. */
export async function recordService(deps: AuthorizerDeps, call: EngineCall, id: string): Promise<void> {
	const spec = await judgeService(deps, bodyOf(call), call);
	if (!spec) return;
	deps.records.services.add(id, spec);
	deps.logger.info('service authorized', { commonName: spec.names.commonName, serviceId: id, image: spec.image });
}

function bodyOf(call: EngineCall): Fields {
	return structFields(parseBody(call.body, 'change a service'), 'the request');
}

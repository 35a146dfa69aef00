/**
 * The powers of the tasks of a service (42): what its specification asks for beyond the walls of a
 * container (moby, api/types/swarm). There are no namespaces and no devices in it.
 */

import { parseImageName } from '#common/policy/image-name.ts';
import { NO_FACTS, NO_IMAGE } from '#common/policy/request.ts';
import type { MountSpec } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { asList, asString, isSet, structFields, type Fields } from './go-struct.ts';
import { mountPowers, namedVolumePowers, volumeNames } from './isolation.ts';
import { capabilityPowers } from './powers.ts';
import { permitPowers } from './reach-host.ts';
import type { AuthorizerDeps } from './rule.ts';

/**
 * @param container `TaskTemplate.ContainerSpec`
 * @throws BirthmarkError to refuse
 */
export async function checkServicePowers(deps: AuthorizerDeps, call: EngineCall, service: string, container: Fields, mounts: readonly MountSpec[]): Promise<void> {
	const hostPaths = deps.hostZones.ofCall();
	const powers = [
		...capabilityPowers(asList(container.get('capabilityadd'), 'CapabilityAdd').map((name) => asString(name, 'CapabilityAdd'))),
		...privilegePowers(structFields(container.get('privileges'), 'Privileges')),
		...(await mountPowers(hostPaths, mounts)),
		...(await namedVolumePowers(deps, hostPaths, volumeNames({ binds: [], mounts }))),
	];
	if (powers.length === 0) return;
	const reference = asString(container.get('image'), 'Image');
	const image = { ...NO_IMAGE, reference, ...parseImageName(reference) };
	const binds = mounts.map(({ source }) => source).filter((source) => source.startsWith('/'));
	await permitPowers(deps, call, { ...NO_FACTS, service, image, binds }, powers);
}

function privilegePowers(privileges: Fields): string[] {
	const mode = (name: string): string => asString(structFields(privileges.get(name), name).get('mode'), `${name}.Mode`);
	return [
		...(['', 'default'].includes(mode('seccomp')) ? [] : ['seccomp-other']),
		...(['', 'default'].includes(mode('apparmor')) ? [] : ['apparmor-unconfined']),
		...(isSet(structFields(privileges.get('selinuxcontext'), 'SELinuxContext').get('disable')) ? ['label-disabled'] : []),
	];
}

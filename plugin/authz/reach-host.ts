/**
 * What a container is asked to be created with, beyond its own walls: the sum of its powers (powers.ts,
 * host-zones.ts, joins.ts), and who may make such a one. The policy decides; without a rule, nobody
 * may. A container that asks for nothing of it costs no question to anybody.
 */

import type { ContainerFacts } from '#common/policy/request.ts';
import { listed } from '#common/policy/sentence.ts';
import type { Names } from '#common/protocol/messages.ts';
import type { EngineImage } from '../docker.ts';
import { factsOfCreate, namesFacts } from '../policy/container-facts.ts';
import { nameAskedFor } from './auto-name.ts';
import type { CreateBody } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import { bindPowers, inherited, inheritedPowers, mountPowers, namedVolumePowers, volumeNames } from './isolation.ts';
import { checkJoins } from './joins.ts';
import type { AuthorizerDeps } from './rule.ts';

/**
 * @param image of the container; undefined when the engine does not have it
 * @param identity of a labelled container
 * @throws BirthmarkError to refuse
 */
export async function checkReachHost(deps: AuthorizerDeps, call: EngineCall, body: CreateBody, image: EngineImage | undefined, identity?: Names): Promise<void> {
	const hostPaths = deps.hostZones.ofCall();
	const others = await inherited(deps, call, body.volumesFrom);
	const powers = [
		...body.powers,
		...(await bindPowers(hostPaths, body.binds)),
		...(await mountPowers(hostPaths, body.mounts)),
		...(await inheritedPowers(hostPaths, others)),
		...(await namedVolumePowers(deps, hostPaths, [...volumeNames(body), ...others.volumes])),
		...(await checkJoins(deps, call, body.joins)),
	];
	const names = { name: nameAskedFor(call), ...(identity && { ...namesFacts(identity), organization: deps.environment() }) };
	if (powers.length > 0) await permitPowers(deps, call, factsOfCreate(body, image, names), powers);
}

/** @throws BirthmarkError unless the policy permits all of them together */
export async function permitPowers(deps: Pick<AuthorizerDeps, 'policy'>, call: EngineCall, facts: ContainerFacts, powers: readonly string[]): Promise<void> {
	const container = { ...facts, powers: [...new Set(powers)].sort() };
	await deps.policy.check(call, 'reach-host', { container }, `with ${listed(container.powers)} it could reach other containers or the host from outside`);
}

/**
 * `POST /swarm/init` and `/swarm/join`: the managers of a swarm start tasks on this engine without a
 * call that could be judged here (42). Whoever makes the engine part of one gives it to them.
 */

import type { EngineCall } from './engine-call.ts';
import type { AuthorizerDeps } from './rule.ts';

/** @throws BirthmarkError to refuse */
export async function checkSwarm(deps: Pick<AuthorizerDeps, 'policy'>, call: EngineCall): Promise<void> {
	await deps.policy.check(call, 'swarm', {}, 'the managers of a swarm run on this engine what they like, and this plugin is not asked about it');
}

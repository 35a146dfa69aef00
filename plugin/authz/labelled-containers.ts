/**
 * Calls that would reach into a container with an identity: its files, memory, processes or labels
 * (21, 30, 31, 36, 39). Who may do what of that is for the policy to say; without a rule, nobody.
 * What may concern nobody's key passes: logs, statistics, changes of limits, names and networks, the
 * end of the container (docs/adr/0024).
 */

import type { PolicyAction } from '#common/policy/request.ts';
import { quote } from '#common/protocol/names.ts';
import type { EngineContainer } from '../docker.ts';
import { ownName } from './auto-name.ts';
import { factsOfContainer } from '../policy/container-facts.ts';
import type { EngineCall } from './engine-call.ts';
import type { AuthorizerDeps, Rule } from './rule.ts';
import { refuseUnseenBody } from './unseen-body.ts';

export type ReachDeps = Pick<AuthorizerDeps, 'lookup' | 'policy' | 'environment'>;

/** As the engine says now, e.g. `running`; `gone` when there is no such container, `unknown` when it does not answer. */
export async function containerState(
	deps: { readonly engine: { containers(filters: Record<string, readonly string[]>): Promise<readonly EngineContainer[]> } },
	containerId: string,
): Promise<string> {
	try {
		return (await deps.engine.containers({ id: [containerId] })).find(({ Id }) => Id === containerId)?.State ?? 'gone';
	} catch {
		return 'unknown';
	}
}

/** @param why what this would give away @throws BirthmarkError unless the policy permits it */
export async function checkReach(deps: ReachDeps, call: EngineCall, action: PolicyAction, container: EngineContainer, why: string): Promise<void> {
	const name = ownName(container) || container.Id.slice(0, 12);
	await deps.policy.check(call, action, { container: { ...factsOfContainer(container), organization: deps.environment() } }, `the container ${quote(name)} has an identity, and ${why}`);
}

/** A rule's check for calls whose path names the container. */
export function reaches(action: PolicyAction, why: string): Rule['check'] {
	return async (deps, call, reference) => {
		const container = await deps.lookup.labelled(reference);
		if (container) await checkReach(deps, call, action, container, why);
	};
}

/** @throws BirthmarkError to refuse */
export async function checkCommit(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	// Its body may be a form that names another container than the address does.
	refuseUnseenBody(call, 'commit');
	await reaches('commit', 'an image made of it would carry its labels')(deps, call, call.query.get('container') ?? '');
}

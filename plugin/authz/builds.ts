/**
 * Builds (40, 41, 52). What runs in one gets no identity: nobody registered it, whatever labels its
 * image has. Whether it may run at all, the policy says; only the namespaces and control groups that
 * the classic builder takes from the request are looked at here. What BuildKit is told through its
 * sessions no plugin can read.
 */

import { NO_FACTS } from '#common/policy/request.ts';
import { bounded } from './bounded.ts';
import type { EngineCall } from './engine-call.ts';
import { checkJoins } from './joins.ts';
import { permitPowers } from './reach-host.ts';
import type { AuthorizerDeps } from './rule.ts';

/** `POST /build`; `/session` and `/grpc` have no such parameters. @throws BirthmarkError to refuse */
export async function checkBuild(deps: AuthorizerDeps, call: EngineCall): Promise<void> {
	await deps.policy.check(call, 'build', {});
	const networks = bounded(call.query.getAll('networkmode').filter((mode) => mode.startsWith('container:')), 'containers by networkmode');
	await checkJoins(deps, call, [...networks].map((mode) => ({ namespace: 'network', reference: mode.slice('container:'.length) })));
	if (call.query.getAll('cgroupparent').some((parent) => parent !== '')) await permitPowers(deps, call, { ...NO_FACTS, name: 'build' }, ['cgroup-parent']);
}

/** A judge that permits what a test tells it to, and notes what it was asked. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { PolicyAction } from '#common/policy/request.ts';
import type { Judge, PolicySubject } from '../../plugin/policy/judge.ts';

export class FakeJudge implements Judge {
	/** `run` is left to the CA, as without a policy file */
	readonly permitted = new Set<PolicyAction>(['run', 'build', 'connect']);
	readonly asked: { readonly caller: string; readonly action: PolicyAction; readonly subject: PolicySubject }[] = [];

	async check({ caller }: { caller: string }, action: PolicyAction, subject: PolicySubject, why?: string): Promise<void> {
		this.asked.push({ caller, action, subject });
		if (this.permitted.has(action)) return;
		const own = ['run', 'build', 'plugin-control', 'plugin-install', 'swarm'].includes(action);
		throw new BirthmarkError(own ? 'policy-refused' : 'identity-isolated', `${why ?? 'no'}; no rule permits ${action}`);
	}
}

/** May this caller do this? What the rules of the authorization ask where people have a say. */

import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import type { Policy } from '#common/policy/policy.ts';
import type { ContainerFacts, PluginFacts, PolicyAction, PolicyRequest } from '#common/policy/request.ts';
import { refusalSentence } from '#common/policy/sentence.ts';
import type { EngineCall } from '../authz/engine-call.ts';

/** Who asks for something of its own is refused; all else reaches into what is another's. */
const OWN_AFFAIRS: readonly PolicyAction[] = ['run', 'build', 'plugin-control', 'plugin-install', 'swarm'];

/** What the action is done to; nothing for the engine itself. */
export interface PolicySubject {
	readonly container?: ContainerFacts;
	readonly plugin?: PluginFacts;
}

export interface Judge {
	/**
	 * @param why what the action would give away, as the beginning of a sentence: shown when no rule speaks of it
	 * @throws BirthmarkError `policy-refused` or `identity-isolated` with the rule and the remedy; `policy-invalid`
	 */
	check(call: Pick<EngineCall, 'caller'>, action: PolicyAction, subject: PolicySubject, why?: string): Promise<void>;
}

export interface JudgeDeps {
	readonly file: { readonly path: string; current(): Promise<Policy> };
}

export function createJudge({ file }: JudgeDeps): Judge {
	return {
		async check({ caller }, action, subject, why) {
			const request: PolicyRequest = { caller, action, ...subject };
			const policy = await file.current();
			const decision = policy.decide(request);
			if (decision.allowed) return;
			throw new BirthmarkError(codeFor(action), refusalSentence(request, decision, { path: file.path, exists: policy.hasFile }, why));
		},
	};
}

function codeFor(action: PolicyAction): ErrorCode {
	return OWN_AFFAIRS.includes(action) ? 'policy-refused' : 'identity-isolated';
}

/** Rules that decide: those of a file and the built-in ones, by Cedar. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { BUILTIN, BUILTIN_WITHOUT_FILE } from './builtin.ts';
import type { Cedar } from './cedar.ts';
import type { PolicyDecision, PolicyRequest } from './request.ts';
import { parseRules, type Fault, type Rule } from './rules.ts';
import { SCHEMA, toCedar } from './schema.ts';

export interface Policy {
	/** the built-in ones first, then those of the file in its order */
	readonly rules: readonly Rule[];
	/** is there a file beside the built-in rules? */
	readonly hasFile: boolean;
	decide(request: PolicyRequest): PolicyDecision;
}

export interface PolicySource {
	/** as people know it, for messages */
	readonly path: string;
	readonly text: string;
}

const SCHEMA_NAME = 'birthmark';

/**
 * @param file undefined when there is none: then the built-in rules decide alone
 * @param slot a name for what Cedar keeps of it; another policy of the same name takes its place
 * @throws BirthmarkError `policy-invalid` with the first fault of the file
 */
export function createPolicy(cedar: Cedar, file: PolicySource | undefined, slot = 'policy'): Policy {
	const builtin = parseRules(cedar, file === undefined ? BUILTIN + BUILTIN_WITHOUT_FILE : BUILTIN, true);
	const own = parseRules(cedar, file?.text ?? '');
	if (own.faults.length > 0) throw policyInvalid(file!.path, own.faults);
	const rules = new Map([...builtin.rules, ...own.rules].map((rule) => [rule.id, rule]));
	succeed(cedar.preparseSchema(SCHEMA_NAME, SCHEMA));
	succeed(cedar.preparsePolicySet(slot, { staticPolicies: Object.fromEntries([...rules.values()].map(({ id, text }) => [id, text])) }));
	return {
		rules: [...rules.values()],
		hasFile: file !== undefined,
		decide(request) {
			const { principal, action, resource, entities } = toCedar(request);
			const answer = cedar.statefulIsAuthorized({
				principal, action, resource, context: {},
				preparsedSchemaName: SCHEMA_NAME, validateRequest: true, preparsedPolicySetId: slot,
				entities: entities as unknown as Parameters<Cedar['statefulIsAuthorized']>[0]['entities'],
			});
			if (answer.type === 'failure') throw new Error(`Cedar does not take the request: ${answer.errors.map(({ message }) => message).join('; ')}`);
			const { decision, diagnostics } = answer.response;
			const [broken] = diagnostics.errors;
			// Cedar passes over a rule that fails, e.g. for a number too large: a forbid would forbid nothing.
			if (broken) throw new BirthmarkError('policy-invalid', `the rule "${broken.policyId}" cannot be evaluated (${broken.error.message}); mend it`);
			const ids = diagnostics.reason.toSorted();
			const first = rules.get(ids[0] ?? '');
			return { allowed: decision === 'allow', rules: ids, ...(first?.reason && { reason: first.reason }), ...(first?.remedy && { remedy: first.remedy }) };
		},
	};
}

/** The first fault, and how many there are. */
export function policyInvalid(path: string, faults: readonly Fault[]): BirthmarkError {
	const [first] = faults;
	const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
	return new BirthmarkError('policy-invalid', `the policy ${path} has a fault in line ${first!.line}, column ${first!.column}: ${first!.message}${more}; mend it (birthmark policy check shows all)`);
}

function succeed(answer: ReturnType<Cedar['preparseSchema']>): void {
	if (answer.type === 'failure') throw new Error(`Cedar does not take what it took before: ${answer.errors.map(({ message }) => message).join('; ')}`);
}

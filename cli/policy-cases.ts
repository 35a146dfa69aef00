/** A table of questions with the answers that their author expects: the tests of a policy. */

import { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { parseConfig } from '#common/runtime/config.ts';
import type { Policy } from '#common/policy/policy.ts';
import { questionShape, toRequest, type Question } from './policy-request.ts';

const schema = z.array(z.strictObject({ title: z.string().optional(), expect: z.enum(['permitted', 'refused']), rule: z.string().optional(), ...questionShape })).min(1);

export interface Case {
	readonly title: string;
	readonly question: Question;
	readonly expect: 'permitted' | 'refused';
	/** that decides, when it matters which */
	readonly rule?: string;
}

export interface CaseResult {
	readonly title: string;
	readonly passed: boolean;
	readonly expected: string;
	readonly got: string;
}

/** @throws BirthmarkError `config-invalid` with every fault */
export function parseCases(text: string, path: string): Case[] {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (cause) {
		throw new BirthmarkError('config-invalid', `${path} is not JSON`, { cause });
	}
	return parseConfig(schema, value, path).map(({ title, expect, rule, ...question }, index) => ({ title: title ?? `case ${index + 1}`, question, expect, ...(rule !== undefined && { rule }) }));
}

export function runCase({ decide }: Policy, { title, question, expect, rule }: Case): CaseResult {
	const { allowed, rules } = decide(toRequest(question));
	const got = allowed ? 'permitted' : 'refused';
	const by = rules.length > 0 ? ` by ${rules.join(', ')}` : ', no rule permits it';
	return { title, passed: got === expect && (rule === undefined || rules.includes(rule)), expected: rule === undefined ? expect : `${expect} by ${rule}`, got: got + by };
}

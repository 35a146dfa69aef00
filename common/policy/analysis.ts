/**
 * What is suspicious about rules that are valid: those that never match, and those that change nothing
 * because others decide wherever they match. Only what is certain is reported.
 */

import { whyImpossible } from './impossible.ts';
import { implies, isContradiction, type Conjunction } from './literal.ts';
import { normalForm, type NormalForm } from './normal-form.ts';
import type { Rule } from './rules.ts';

export interface Suspicion {
	readonly kind: 'never-matches' | 'shadowed';
	/** the rule in question */
	readonly rule: string;
	readonly line: number;
	/** the rules that decide in its place */
	readonly by: readonly string[];
	/** one sentence, without a full stop */
	readonly message: string;
}

interface Analysed extends Rule {
	/** undefined: too long to say anything about it */
	readonly form: NormalForm | undefined;
	readonly impossible: string | undefined;
}

/**
 * @param rules of the file
 * @param builtin rules that hold beside it: they may shadow, but are not complained of
 */
export function analyse(rules: readonly Rule[], builtin: readonly Rule[]): Suspicion[] {
	const own = rules.map(analyseOne);
	const found: Suspicion[] = own.filter(({ impossible }) => impossible !== undefined).map(({ id, line, impossible }) => ({ kind: 'never-matches', rule: id, line, by: [], message: `the rule "${id}" never matches: ${impossible}` }));
	// From the end, so that of two rules that say the same the later one is reported, and not both.
	const others = [...builtin.map(analyseOne), ...own.filter(({ impossible }) => impossible === undefined)];
	for (const rule of own.toReversed()) {
		if (!others.includes(rule)) continue;
		const by = coveredBy(rule, others.filter((other) => other !== rule));
		if (!by) continue;
		// A permit under a forbid may still stand above another permit, and must not be taken for it.
		others.splice(others.indexOf(rule), 1);
		found.push({ kind: 'shadowed', rule: rule.id, line: rule.line, by: by.map(({ id }) => id), message: shadowMessage(rule, by) });
	}
	return found.toSorted((a, b) => a.line - b.line);
}

function analyseOne(rule: Rule): Analysed {
	const form = normalForm(rule.json);
	const possible = form?.conjunctions.filter((conjunction) => !isContradiction(conjunction) && !conjunction.some(whyImpossible));
	return { ...rule, form: form && possible && { ...form, conjunctions: possible }, impossible: possible?.length === 0 ? whyNever(form!.conjunctions) : rule.isImpossible ? 'no call has such a caller, action and resource, or its conditions contradict each other' : undefined };
}

function whyNever(conjunctions: readonly Conjunction[]): string {
	return conjunctions.flatMap((conjunction) => conjunction.map(whyImpossible)).find((why) => why !== undefined) ?? 'its conditions contradict each other';
}

/** Forbids stand above permits; of the same kind any other one will do. */
function coveredBy(rule: Analysed, others: readonly Analysed[]): Analysed[] | undefined {
	const byForbids = cover(rule, others.filter(({ effect }) => effect === 'forbid'));
	return byForbids ?? (rule.effect === 'permit' ? cover(rule, others.filter(({ effect }) => effect === 'permit')) : undefined);
}

/** @returns the rules of which one matches wherever `rule` does; undefined when that is not certain */
function cover({ form }: Analysed, others: readonly Analysed[]): Analysed[] | undefined {
	if (!form) return undefined;
	const reliable = others.filter((other) => other.form && !other.form.mayFail);
	const by = form.conjunctions.map((narrow) => reliable.find((other) => other.form!.conjunctions.some((wide) => implies(narrow, wide))));
	return by.every((other) => other !== undefined) ? [...new Set(by)] : undefined;
}

function shadowMessage(rule: Analysed, by: readonly Analysed[]): string {
	const names = by.map(({ id, line }) => (id.startsWith('builtin-') ? `"${id}"` : `"${id}" (line ${line})`)).join(' and ');
	const verb = by.some(({ effect }) => effect !== rule.effect) ? `never has an effect: ${names} ${by.length > 1 ? 'forbid' : 'forbids'} all that it permits` : `changes nothing: ${names} ${by.length > 1 ? `${rule.effect} together` : `${rule.effect}s`} all that it does`;
	return `the rule "${rule.id}" ${verb}`;
}

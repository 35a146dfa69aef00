/**
 * Allow rules of a node or a user: `cn-pattern/ou-pattern`, `*` for any run of characters, `?` for exactly
 * one, always matched against the whole name. Without a rule nothing is allowed.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Names, NodeUpdate } from '#common/protocol/messages.ts';
import { quote } from '#common/protocol/names.ts';

const RULE = /^[A-Za-z0-9*?._-]{1,128}\/[A-Za-z0-9*?._-]{1,128}$/;

/** Of one node or user. */
export const MAX_RULES = 64;

/** @throws BirthmarkError `request-malformed` for a rule that is not of the form `cn-pattern/ou-pattern` */
export function checkRules(rules: readonly string[]): readonly string[] {
	for (const rule of rules) {
		if (!RULE.test(rule)) throw new BirthmarkError('request-malformed', `${quote(rule)} is not an allow rule: write cn-pattern/role-pattern, for example api??/web-api`);
	}
	return [...new Set(rules)];
}

/** @returns the rules after the update. @throws BirthmarkError `request-malformed` also when there would be too many */
export function updatedRules(before: readonly string[], { allow, add = [], remove = [] }: NodeUpdate): readonly string[] {
	const rules = checkRules(allow ?? [...before.filter((rule) => !remove.includes(rule)), ...add]);
	if (rules.length > MAX_RULES) throw new BirthmarkError('request-malformed', `a node has ${MAX_RULES} allow rules at most: take some away, or use wildcards`);
	return rules;
}

/**
 * The CN and every further DNS name need a rule for the role: a name that a verifier looks at is a
 * name that somebody has to have granted.
 *
 * @throws BirthmarkError `name-not-allowed` with the rules there are and how to add one
 */
export function requireAllowed(names: Names, node: string, rules: readonly string[]): void {
	requireRule(names, rules, 'on node', 'node', node);
}

/** The same for what a user signs. */
export function requireUserAllowed(names: Names, user: string, rules: readonly string[]): void {
	requireRule(names, rules, 'for user', 'user', user);
}

function requireRule({ commonName, organizationalUnit, dnsNames }: Names, rules: readonly string[], whose: string, command: string, owner: string): void {
	for (const name of [commonName, ...dnsNames]) {
		if (isAllowed(name, organizationalUnit, rules)) continue;
		const allowed = rules.length > 0 ? rules.join(', ') : 'nothing';
		throw new BirthmarkError(
			'name-not-allowed',
			`no rule allows the name "${name}" with role "${organizationalUnit}" ${whose} "${owner}"; allowed there: ${allowed}; `
				+ `an operator can add one with: birthmark ${command} allow ${owner} '${name}/${organizationalUnit}'`,
		);
	}
}

export function isAllowed(name: string, role: string, rules: readonly string[]): boolean {
	return rules.some((rule) => matchesRule(rule, name, role));
}

function matchesRule(rule: string, name: string, role: string): boolean {
	const [namePattern = '', rolePattern = ''] = rule.split('/');
	return matches(namePattern, name) && matches(rolePattern, role);
}

/** Glob without a regular expression, which would take exponential time on patterns such as `*a*a*a*`. */
export function matches(pattern: string, text: string): boolean {
	let at = 0;
	let star = -1;
	let resume = 0;
	let index = 0;
	while (index < text.length) {
		if (pattern[at] === '*') {
			star = at++;
			resume = index;
		} else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[index])) {
			at++;
			index++;
		} else if (star >= 0) {
			at = star + 1;
			index = ++resume;
		} else {
			return false;
		}
	}
	while (pattern[at] === '*') at++;
	return at === pattern.length;
}

/** Rules that never match, or change nothing: reported when it is certain, and then it is true. */

import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { analyse } from '#common/policy/analysis.ts';
import { BUILTIN } from '#common/policy/builtin.ts';
import { loadCedar } from '#common/policy/cedar.ts';
import { NO_FACTS, type ContainerFacts, type PolicyRequest } from '#common/policy/request.ts';
import { parseRules } from '#common/policy/rules.ts';
import { toCedar } from '#common/policy/schema.ts';
import { holds } from '../../../support/property.ts';

const cedar = await loadCedar();
const builtin = parseRules(cedar, BUILTIN, true).rules;

function look(text: string) {
	const { rules, faults } = parseRules(cedar, text);
	assert.deepEqual(faults, []);
	return analyse(rules, builtin);
}

const SUSPICIOUS: readonly (readonly [title: string, text: string, message: RegExp])[] = [
	['a name that contradicts itself', '@id("x") permit (principal, action == Action::"run", resource) when { resource.cn == "a" && resource.cn == "b" };', /"x" never matches: its conditions contradict/],
	['a name that its pattern excludes', '@id("x") permit (principal, action == Action::"run", resource) when { resource.cn like "web*" } unless { resource.cn like "w*" };', /never matches/],
	['a set that may have nothing and has something', '@id("x") permit (principal, action == Action::"run", resource) when { resource.powers.isEmpty() && resource.powers.contains("privileged") };', /never matches/],
	['a common name in upper case', '@id("x") permit (principal, action == Action::"run", resource) when { resource.cn like "Web*" };', /never "Web\*": common names are host names in lower case/],
	['a repository in its long form', '@id("x") permit (principal, action == Action::"run", resource) when { resource.image.repository == "docker.io/library/nginx" };', /short form/],
	['a capability with its prefix', '@id("x") forbid (principal, action == Action::"run", resource) when { resource.capabilities.contains("CAP_SYS_ADMIN") };', /without CAP_/],
	['root by its number', '@id("x") forbid (principal, action == Action::"run", resource) when { resource.user == "0" };', /0 is root/],
	['a path with a slash at its end', '@id("x") forbid (principal, action == Action::"run", resource) when { resource.binds.contains("/etc/") };', /end without a slash/],
	['an action that does not go with the resource', '@id("x") permit (principal, action == Action::"build", resource is Container);', /never matches/],
	['a permit within a permit', '@id("wide") permit (principal, action == Action::"run", resource) when { resource.cn like "web*" };\n@id("x") permit (principal == Caller::"bob", action == Action::"run", resource) when { resource.cn like "web-1*" };', /"x" changes nothing: "wide" \(line 1\) permits all that it does/],
	['a permit within two', '@id("a") permit (principal, action == Action::"exec", resource);\n@id("b") permit (principal, action == Action::"attach", resource);\n@id("x") permit (principal == Caller::"bob", action in [Action::"exec", Action::"attach"], resource);', /"a" \(line 1\) and "b" \(line 2\) permit together/],
	['a permit within a built-in one', '@id("x") permit (principal == Caller::"bob", action == Action::"build", resource);', /"builtin-build" permits all/],
	['a permit under a forbid', '@id("no") forbid (principal, action == Action::"run", resource) when { resource.user == "root" };\n@id("x") permit (principal, action == Action::"run", resource) when { resource.user == "root" && resource.cn == "a" };', /"x" never has an effect: "no" \(line 1\) forbids all that it permits/],
	['a forbid within a forbid', '@id("no") forbid (principal, action, resource is Container) when { resource.binds.contains("/etc") };\n@id("x") forbid (principal, action == Action::"run", resource) when { resource.binds.containsAll(["/etc", "/srv"]) };', /"x" changes nothing: "no"/],
	['a caller by entity within one by name', '@id("ci") permit (principal, action == Action::"run", resource) when { principal.name like "ci-*" };\n@id("x") permit (principal == Caller::"ci-1", action == Action::"run", resource);', /"x" changes nothing: "ci"/],
	['a set within a set', '@id("some") permit (principal, action == Action::"run", resource) when { ["a", "b", "c"].containsAll(resource.networks) };\n@id("x") permit (principal, action == Action::"run", resource) when { resource.networks == ["b"] };', /"x" changes nothing: "some"/],
	['a rule that another one repeats in other words', '@id("a") permit (principal, action == Action::"run", resource) when { !(resource.cn == "a" || resource.ou == "b") };\n@id("x") permit (principal, action == Action::"run", resource) unless { resource.ou == "b" } when { resource.cn != "a" };', /"x" changes nothing: "a" \(line 1\)/],
];

for (const [title, text, message] of SUSPICIOUS) {
	test(`reports ${title}`, (t) => {
		const found = look(text);
		t.is(found.length, 1, JSON.stringify(found));
		t.is(found[0]!.rule, 'x');
		t.regex(found[0]!.message, message);
	});
}

const UNSUSPICIOUS: readonly (readonly [title: string, text: string])[] = [
	['rules that overlap', '@id("a") permit (principal, action == Action::"run", resource) when { resource.cn like "web*" };\n@id("b") permit (principal, action == Action::"run", resource) when { resource.cn like "*-1" };'],
	['a forbid within a permit', '@id("a") permit (principal, action == Action::"run", resource);\n@id("b") forbid (principal, action == Action::"run", resource) when { resource.user == "root" };'],
	['a permit that a forbid only cuts', '@id("a") permit (principal, action == Action::"run", resource) when { resource.cn == "a" };\n@id("b") forbid (principal, action == Action::"run", resource) when { resource.user == "root" };'],
	['the same for other callers', '@id("a") permit (principal == Caller::"a", action == Action::"run", resource);\n@id("b") permit (principal == Caller::"b", action == Action::"run", resource);'],
	['a rule that might fail where the other does not', '@id("a") permit (principal, action == Action::"run", resource) when { 9223372036854775807 + 1 > 0 || resource.cn == "a" };\n@id("b") permit (principal, action == Action::"run", resource) when { resource.cn == "a" };'],
	['containers without a name', '@id("a") forbid (principal, action == Action::"reach-host", resource) when { resource.cn == "" };'],
];

for (const [title, text] of UNSUSPICIOUS) {
	test(`says nothing about ${title}`, (t) => {
		t.deepEqual(look(text), []);
	});
}

// A world so small that rules and requests meet often.
const NAMES = ['a', 'ab', 'b'];
const PATTERNS = ['*', 'a*', '*b', 'ab', 'b*'];
const PATHS = ['"/x"', '"/y"'];
const text = fc.constantFrom(...['cn', 'ou', 'user'].map((attribute) => `resource.${attribute}`));
const atoms = fc.oneof(
	fc.tuple(text, fc.constantFrom('==', '!='), fc.constantFrom(...NAMES)).map(([path, operator, name]) => `${path} ${operator} "${name}"`),
	fc.tuple(text, fc.constantFrom(...PATTERNS)).map(([path, pattern]) => `${path} like "${pattern}"`),
	fc.tuple(fc.subarray(NAMES), text).map(([names, path]) => `[${['z', ...names].map((name) => `"${name}"`).join(', ')}].contains(${path})`),
	fc.tuple(fc.constantFrom('containsAll', 'containsAny'), fc.subarray(PATHS, { minLength: 1 })).map(([operator, paths]) => `resource.binds.${operator}([${paths.join(', ')}])`),
	fc.constantFrom('resource.binds.isEmpty()', 'resource.binds.contains("/x")', '["/x"].containsAll(resource.binds)', 'resource.binds == ["/x"]', 'principal == Caller::"a"', 'principal.name like "a*"', 'true', 'resource.image has tag', 'resource.cn == resource.ou'),
);
const condition = fc.letrec<{ any: string }>((tie) => ({
	any: fc.oneof(
		{ depthSize: 'small', withCrossShrink: true },
		atoms,
		fc.tuple(tie('any'), fc.constantFrom('&&', '||'), tie('any')).map(([left, operator, right]) => `(${left} ${operator} ${right})`),
		tie('any').map((inner) => `!(${inner})`),
		fc.tuple(tie('any'), tie('any'), tie('any')).map(([test, then, otherwise]) => `(if ${test} then ${then} else ${otherwise})`),
	),
})).any;
const ruleText = fc.record({
	effect: fc.constantFrom('permit', 'permit', 'forbid'),
	principal: fc.constantFrom('principal', 'principal == Caller::"a"', 'principal is Caller'),
	action: fc.constantFrom('action == Action::"run"', 'action in [Action::"run", Action::"exec"]', 'action == Action::"exec"'),
	clause: fc.constantFrom('when', 'unless'),
	condition,
}).map(({ effect, principal, action, clause, condition }) => `${effect} (${principal}, ${action}, resource) ${clause} { ${condition} };`);
const request: fc.Arbitrary<PolicyRequest> = fc.record({
	caller: fc.constantFrom('a', 'ab', 'local'),
	action: fc.constantFrom('run' as const, 'exec' as const),
	container: fc.record({ commonName: fc.constantFrom(...NAMES), organizationalUnit: fc.constantFrom(...NAMES), user: fc.constantFrom(...NAMES), binds: fc.subarray(['/x', '/y', '/z']) }).map((facts): ContainerFacts => ({ ...NO_FACTS, ...facts })),
});

let slots = 0;
/** Does this rule alone match? */
function matcher(rule: string): (request: PolicyRequest) => boolean {
	const slot = `matcher-${slots++ % 8}`;
	cedar.preparsePolicySet(slot, { staticPolicies: rule.replace(/(?<=^@id\("[^"]*"\) )forbid/, 'permit') });
	return (request) => {
		const { entities, ...uids } = toCedar(request);
		const answer = cedar.statefulIsAuthorized({ ...uids, context: {}, preparsedPolicySetId: slot, entities: entities as unknown as Parameters<typeof cedar.statefulIsAuthorized>[0]['entities'] });
		return answer.type === 'success' && answer.response.decision === 'allow';
	};
}

test('what is reported is true of every request: no match where none is said to be, none without a match of the rules that shadow', (t) => {
	let reported = 0;
	holds(t, 100, fc.property(fc.array(ruleText, { minLength: 1, maxLength: 3 }), atoms, fc.array(request, { minLength: 15, maxLength: 15 }), (bodies, more, requests) => {
		// The last is narrower than the first, so that there is something to find.
		const rules = [...bodies, bodies[0]!.replace(/;$/, ` when { ${more} };`)].map((body, index) => `@id("r${index}") ${body}`);
		for (const { kind, rule, by } of look(rules.join('\n'))) {
			reported++;
			const isMatch = matcher(rules[Number(rule.slice(1))]!);
			const covering = by.map((id) => matcher(rules[Number(id.slice(1))]!));
			for (const each of requests) {
				if (!isMatch(each)) continue;
				assert.equal(kind, 'shadowed', rule);
				assert.ok(covering.some((match) => match(each)), `${rule} by ${by.join()}: ${JSON.stringify(each)}`);
			}
		}
	}));
	t.true(reported > 10, `${reported} rules were reported`);
});

test('of patterns too long to compare nothing is said', (t) => {
	const like = (id: string, pattern: string): string => `@id("${id}") permit (principal, action == Action::"run", resource) when { resource.name like "${pattern}" };\n`;
	t.deepEqual(look(like('a', '*a'.repeat(20_000)) + like('b', '*a'.repeat(20_000)) + like('c', `${'*a'.repeat(20_000)}b`)), []);
	t.is(look(like('a', '*a'.repeat(200)) + like('b', 'a'.repeat(400))).length, 1);
});

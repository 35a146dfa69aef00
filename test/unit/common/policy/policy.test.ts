/** Rules decide: who may do what, by which rule; what is wrong with a file is said with its place. */

import { readFileSync } from 'node:fs';
import test from 'ava';
import { loadCedar } from '#common/policy/cedar.ts';
import { createPolicy } from '#common/policy/policy.ts';
import { parseRules } from '#common/policy/rules.ts';
import { ACTIONS, NO_FACTS, type PolicyAction, type PolicyRequest } from '#common/policy/request.ts';

const cedar = await loadCedar();
const path = '/etc/birthmark/policy.cedar';
const api01: PolicyRequest['container'] = { ...NO_FACTS, commonName: 'api01', organizationalUnit: 'web-api', image: { reference: 'x:1', repository: 'x', tag: '1', id: '', digests: [] } };
let slots = 0;
const policy = (text?: string) => createPolicy(cedar, text === undefined ? undefined : { path, text }, `test-${slots++}`);

test('without a file names are left to the CA, and nobody reaches into containers', (t) => {
	const { decide } = policy();
	t.deepEqual(decide({ caller: 'local', action: 'run', container: api01 }), { allowed: true, rules: ['builtin-run'] });
	for (const [action, { resource }] of Object.entries(ACTIONS) as [PolicyAction, { resource: string }][]) {
		const open = ['run', 'build', 'connect'].includes(action);
		t.is(decide({ caller: 'local', action, ...(resource === 'Container' && { container: api01 }) }).allowed, open, action);
	}
});

test('with a file no name is permitted that it does not permit', (t) => {
	t.deepEqual(policy('').decide({ caller: 'local', action: 'run', container: api01 }), { allowed: false, rules: [] });
});

test('a rule permits what it says, and is named', (t) => {
	const { decide } = policy('@id("web") permit (principal == Caller::"alice", action == Action::"run", resource) when { resource.cn like "api*" };');
	t.deepEqual(decide({ caller: 'alice', action: 'run', container: api01 }), { allowed: true, rules: ['web'] });
	t.false(decide({ caller: 'bob', action: 'run', container: api01 }).allowed);
	t.false(decide({ caller: 'alice', action: 'exec', container: api01 }).allowed);
	t.false(decide({ caller: 'alice', action: 'run', container: { ...api01!, commonName: 'web01' } }).allowed);
});

test('what is forbidden is forbidden whatever permits it, with reason and remedy', (t) => {
	const { decide } = policy(`
		@id("all") permit (principal, action, resource);
		@id("no-root") @reason("it runs as root") @remedy("run it with --user") forbid (principal, action == Action::"run", resource) when { resource.user == "root" };`);
	t.deepEqual(decide({ caller: 'local', action: 'run', container: api01 }), { allowed: false, rules: ['no-root'], reason: 'it runs as root', remedy: 'run it with --user' });
	t.true(decide({ caller: 'local', action: 'run', container: { ...api01!, user: '1000' } }).allowed);
});

test('a fault is named with its line and column, and how many there are', (t) => {
	const faulty = (text: string) => t.throws(() => policy(text), { code: 'policy-invalid' }).message;
	t.regex(faulty('\n  permit (principal, action, resource);'), /line 2, column 3: the rule has no id/);
	t.regex(faulty('@id("ä")permit (principal, action, resource);'), /line 1, column 1: the id "ä"/);
	t.regex(faulty('// ä\n@id("x") permit (principal, action == Action::"run", resource) when { resource.cnn == "a" };'), /line 2, column \d+: attribute `cnn`.*did you mean `cn`/);
	t.regex(faulty('@id("x") permit (principal, action == Action::"runn", resource);'), /did you mean `Action::"run"`/);
	t.regex(faulty('@id("x") permit (principal, action, resource);\n@id("x") forbid (principal, action, resource);'), /line 2, column 1: the id "x" is taken by the rule of line 1/);
	t.regex(faulty('@id("builtin-x") permit (principal, action, resource);'), /built-in/);
	t.regex(faulty('@id("x") permit (principal == ?principal, action, resource);'), /template/);
	t.regex(faulty('permit (principal, action, resource) when { resource.cn lke "x" };\npermit ('), /line 1, column \d+: .*lke.* \(and \d more\)/);
});

test('docs/policy.md has every action, and no other', (t) => {
	const page = readFileSync(new URL('../../../../docs/policy.md', import.meta.url), 'utf8');
	const table = /## Actions\n([^]*?)\n## /.exec(page)![1]!;
	const named = table.split('\n').flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([a-z-]+)`/g)].map(([, action]) => action!));
	t.deepEqual(named.toSorted(), Object.keys(ACTIONS).toSorted());
});

test('the rules in docs/policy.md are in order', (t) => {
	const page = readFileSync(new URL('../../../../docs/policy.md', import.meta.url), 'utf8');
	const rules = page.split('\n').filter((line) => line.startsWith('    ')).join('\n').split(/^(?= *(?:\/\/|@id))/m).filter((block) => /^ *@id/.test(block)).map((block) => block.slice(0, block.indexOf(';') + 1));
	t.true(rules.length >= 7);
	for (const rule of rules) t.deepEqual(parseRules(cedar, rule).faults, [], rule);
});

const rule = (condition: string): string => `@id("r") permit (principal, action == Action::"run", resource) when { ${condition} };`;
const chain = (length: number): string => Array(length).fill('resource.cn == "a"').join(' || ');
for (const [what, condition] of [
	['brackets', '('.repeat(500) + 'true' + ')'.repeat(500)],
	['lists', '['.repeat(500) + ']'.repeat(500) + '.isEmpty()'],
	['negations', '!('.repeat(500) + 'true' + ')'.repeat(500)],
	['alternatives', chain(500)],
	['choices', 'if resource.cn == "a" then true else '.repeat(500) + 'false'],
	['sums', Array(500).fill('1').join(' + ') + ' == 1'],
	['clauses', 'true }' + ' unless { false }'.repeat(500) + ' when { true'],
] as const) {
	test(`a rule of 500 ${what} is a fault with its place, and no end of all decisions`, (t) => {
		const { faults } = parseRules(cedar, `// "(((" ;\n${rule(condition)}`);
		t.is(faults.length, 1);
		t.is(faults[0]?.line, 2);
		t.regex(faults[0]!.message, /more than/);
		t.true(policy(rule('true')).decide({ caller: 'local', action: 'run', container: api01 }).allowed);
	});
}

test('what is just not too much for a rule can be decided by, also beside as much in other rules', (t) => {
	const deep = (inner: string, depth: number): string => '('.repeat(depth) + inner + ')'.repeat(depth);
	const conditions = [chain(127), deep(chain(120), 31), `[${chain(100)}].contains(true)`, '!('.repeat(31) + chain(90) + ')'.repeat(31), 'if resource.cn == "a" then true else '.repeat(120) + 'true'];
	for (const [index, condition] of conditions.entries()) {
		const text = rule(condition) + rule(condition).replace('"r"', '"other"');
		t.deepEqual(parseRules(cedar, text).faults, [], `${index}`);
		t.notThrows(() => policy(text).decide({ caller: 'local', action: 'run', container: api01 }), `${index}`);
	}
	t.deepEqual(parseRules(cedar, rule(`resource.cn == "${'(|| '.repeat(300)} \\" ${'['.repeat(300)}"`)).faults, [], 'a text is no brackets');
});

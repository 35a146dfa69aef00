/** A refusal names who, what, the rule and the remedy, in one sentence. */

import test from 'ava';
import { loadCedar } from '#common/policy/cedar.ts';
import { createPolicy } from '#common/policy/policy.ts';
import { ACTIONS, NO_FACTS, NO_IMAGE, type ContainerFacts, type PolicyAction, type PolicyRequest } from '#common/policy/request.ts';
import { permittingRule } from '#common/policy/sentence.ts';
import { parseRules } from '#common/policy/rules.ts';
import { createJudge } from '../../../../plugin/policy/judge.ts';

const cedar = await loadCedar();
const path = '/etc/birthmark/policy.cedar';
const web01: ContainerFacts = { ...NO_FACTS, commonName: 'web01', organizationalUnit: 'web', name: 'w', image: { ...NO_IMAGE, reference: 'x:1', repository: 'x', tag: '1' }, powers: ['privileged', 'device:/dev/"sda'] };
const plugin = { reference: 'birthmark', name: 'birthmark:latest', id: 'feed', own: true };
let slots = 0;
const judge = (text?: string) => {
	const policy = createPolicy(cedar, text === undefined ? undefined : { path, text }, `judge-${slots++}`);
	return createJudge({ file: { path, current: async () => policy } });
};

test('a rule that forbids is named, with its reason and its remedy', async (t) => {
	const { check } = judge('@id("no-root-web") @reason("it runs as root") @remedy("run it with --user") forbid (principal, action == Action::"run", resource) when { resource.user == "root" };');
	await t.throwsAsync(check({ caller: 'local' }, 'run', { container: web01 }), { code: 'policy-refused', message: 'the rule "no-root-web" forbids caller "local" to run "web01" (web) from image "x:1": it runs as root; run it with --user' });
});

test('where no rule permits, the sentence has the one that would', async (t) => {
	await t.throwsAsync(judge('').check({ caller: 'alice' }, 'run', { container: web01 }), {
		code: 'policy-refused',
		message: `no rule permits caller "alice" to run "web01" (web) from image "x:1"; to permit it add this to ${path}: @id("run-web01") permit (principal == Caller::"alice", action == Action::"run", resource) when { resource.cn == "web01" && resource.ou == "web" && resource.image.repository == "x" };`,
	});
	await t.throwsAsync(judge().check({ caller: 'local' }, 'exec', { container: web01 }, 'whoever is in it reads its key'), {
		code: 'identity-isolated',
		message: /^whoever is in it reads its key; no rule permits caller "local" to execute commands in "web01" \(web\); to permit it make \/etc\/birthmark\/policy\.cedar with birthmark policy init and add this: @id/,
	});
});

test('what is permitted passes', async (t) => {
	await t.notThrowsAsync(judge('@id("x") permit (principal == Caller::"alice", action == Action::"exec", resource) when { resource.ou == "web" };').check({ caller: 'alice' }, 'exec', { container: web01 }));
});

for (const [action, { resource }] of Object.entries(ACTIONS) as [PolicyAction, { resource: string }][]) {
	test(`the rule that a refusal of ${action} suggests is valid, and permits just that`, (t) => {
		const request: PolicyRequest = { caller: 'o\'hara "7"\u0001', action, ...(resource === 'Container' && { container: web01 }), ...(resource === 'Plugin' && { plugin }) };
		const text = permittingRule(request);
		t.deepEqual(parseRules(cedar, text).faults, []);
		const { decide } = createPolicy(cedar, { path, text }, `suggested-${action}`);
		t.true(decide(request).allowed);
		if (action === 'build' || action === 'connect') return;
		t.false(decide({ ...request, caller: 'eve' }).allowed);
		if (resource === 'Container') t.false(decide({ ...request, container: { ...web01, commonName: 'web02', image: NO_IMAGE } }).allowed);
		if (action === 'reach-host') t.false(decide({ ...request, container: { ...web01, powers: [...web01.powers, 'host-pid'] } }).allowed);
	});
}

test('a refusal stays a sentence, however many powers somebody asks for, however long they are', async (t) => {
	const many = { ...web01, powers: Array.from({ length: 16_000 }, (_, index) => `device:/dev/${index}`) };
	const message = (container: ContainerFacts) => judge('').check({ caller: 'local' }, 'reach-host', { container }).then(() => '', (error: Error) => error.message);
	t.is(await message(many), `no rule permits caller "local" to give power over the host to "web01" (web) from image "x:1" (${many.powers.slice(0, 10).join(', ')} and 15990 more); to permit it write a rule for "reach-host" that has all of it into ${path}, or ask for less`);
	t.true((await message({ ...web01, powers: [`device:/${'x'.repeat(1_000_000)}`] })).length < 500);
	t.regex(await message({ ...web01, powers: many.powers.slice(0, 11) }), /device:\/dev\/9 and 1 more\).* add this to .*"device:\/dev\/10"\]\.containsAll/, 'the rule has all of them');
});

/** `birthmark policy`: try, check, show and begin the policy of a host. Asks neither an engine nor, but for `init --node`, a CA. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { analyse } from '#common/policy/analysis.ts';
import { BUILTIN, BUILTIN_PREFIX, BUILTIN_WITHOUT_FILE } from '#common/policy/builtin.ts';
import { loadCedar } from '#common/policy/cedar.ts';
import { createPolicy, type Policy } from '#common/policy/policy.ts';
import type { PolicyDecision, PolicyRequest } from '#common/policy/request.ts';
import { parseRules } from '#common/policy/rules.ts';
import { describe, refusalSentence } from '#common/policy/sentence.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { NodeInfo } from '#common/protocol/messages.ts';
import type { Context } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { parseCases, runCase } from '../policy-cases.ts';
import { questionOfCreate, toRequest, type Question } from '../policy-request.ts';
import { POLICY_FILE, readPolicy } from '../policy-source.ts';
import { startingPolicy, writeStartingPolicy } from '../starting-policy.ts';

type TestOptions = Question & { readonly file?: string; readonly request?: string; readonly cases?: string };

export function addPolicy(program: Command, context: Context): void {
	const policy = program.command('policy').description('who may run, enter or give power to which containers on a host: try it, check it');
	const fileOption = ['--file <path>', `the policy (default: ${POLICY_FILE})`] as const;

	policy
		.command('test')
		.description('may this caller do this? Says which rule decides; 0 permitted, 5 refused')
		.option('--caller <name>', 'common name of a TLS client, or "local" (default: local)')
		.option('--action <action>', 'run, exec, copy, reach-host, … (default: run)')
		.option('--cn <name>', 'common name of the container')
		.option('--ou <role>', 'its role')
		.option('--o <environment>', 'its environment')
		.option('--dns <name...>', 'its further DNS names')
		.option('--name <name>', 'its name on the engine')
		.option('--service <name>', 'the swarm service that it is a task of')
		.option('--image <reference>', 'its image')
		.option('--image-id <sha256:…>', 'id of the image')
		.option('--digest <sha256:…...>', 'digest of the image in a registry')
		.option('--user <user>', 'what it runs as (default: root)')
		.option('--network <name...>', 'its networks (default: default)')
		.option('--bind <path...>', 'paths of the host that it mounts')
		.option('--volume <name...>', 'volumes that it mounts')
		.option('--cap <capability...>', 'capabilities that it adds')
		.option('--power <power...>', 'for reach-host: what it could reach the host by')
		.option('--plugin <reference>', 'for plugin-control and plugin-install')
		.option('--own', 'the plugin is birthmark itself')
		.option('--request <path>', 'the body of a create as JSON; other options count more')
		.option('--cases <path>', 'a table of questions with expected answers as JSON; 0 when all are as expected')
		.option(...fileOption)
		.option('--json', 'print JSON')
		.action(async ({ file, request: requestFile, cases, json: _, ...question }: TestOptions & { json?: boolean }) => {
			const source = readPolicy(file);
			const rules = createPolicy(await loadCedar(), source);
			if (cases !== undefined) return testCases(context, rules, cases);
			const given = requestFile === undefined ? {} : questionOfCreate(readJson(requestFile), requestFile);
			const request = toRequest({ ...given, ...question });
			const decision = rules.decide(request);
			if (!decision.allowed) process.exitCode = ExitCode.refused;
			const sentence = explain(rules, request, decision, source?.path ?? POLICY_FILE);
			if (context.wantsJson()) return context.output.json({ allowed: decision.allowed, rules: decision.rules.map((id) => place(rules, id)), sentence, request });
			context.output.line(`${decision.allowed ? context.output.paint('green', 'permitted') : context.output.paint('red', 'refused')}: ${sentence}`);
		});

	policy
		.command('check')
		.description('faults, rules that never match, rules that change nothing; 3 when there are any')
		.argument('[file]', `the policy (default: ${POLICY_FILE})`)
		.option('--json', 'print JSON')
		.action(async (path: string | undefined) => {
			const source = readPolicy(path ?? POLICY_FILE)!;
			const cedar = await loadCedar();
			const { rules, faults } = parseRules(cedar, source.text);
			const suspicions = faults.length > 0 ? [] : analyse(rules, parseRules(cedar, BUILTIN, true).rules);
			if (faults.length + suspicions.length > 0) process.exitCode = ExitCode.unhealthy;
			if (context.wantsJson()) return context.output.json({ file: source.path, rules: rules.length, faults, suspicions });
			for (const { line, column, message } of faults) context.output.line(`${source.path}:${line}:${column}: ${context.output.paint('red', 'fault')}: ${message}`);
			for (const { line, message } of suspicions) context.output.line(`${source.path}:${line}: ${context.output.paint('yellow', 'warning')}: ${message}`);
			if (faults.length + suspicions.length === 0) context.output.line(`${context.output.paint('green', 'ok')}, ${rules.length} rule${rules.length === 1 ? '' : 's'}`);
		});

	policy
		.command('show')
		.description('the rules in force: the built-in ones and the file')
		.option(...fileOption)
		.option('--json', 'print JSON')
		.action(({ file }: { file?: string }) => {
			const source = readPolicy(file);
			const builtin = source ? BUILTIN : `${BUILTIN}\n${BUILTIN_WITHOUT_FILE}`;
			const digest = source && createHash('sha256').update(source.text).digest('hex');
			if (context.wantsJson()) return context.output.json({ builtin, file: source ? { ...source, digest } : null });
			context.output.line(`// built in\n\n${builtin.trimEnd()}\n`);
			context.output.line(source ? `// ${source.path}, SHA-256 ${digest}\n\n${source.text.trimEnd()}` : `// There is no ${POLICY_FILE}.`);
		});

	policy
		.command('init')
		.description('write a file to start from, never over another one')
		.option('--allow <cn/ou...>', 'names that may be run, e.g. "api*/web-api"', [])
		.option('--node <name>', 'take them from this node\'s allow list at the CA')
		.option(...fileOption)
		.option('--json', 'print JSON')
		.action(async ({ allow, node, file = POLICY_FILE }: { allow: string[]; node?: string; file?: string }) => {
			const rules = [...allow, ...(node === undefined ? [] : await allowList(context, node))];
			writeStartingPolicy(file, startingPolicy(rules));
			if (context.wantsJson()) return context.output.json({ file, allow: rules });
			context.output.line(`wrote ${file}; from now on nobody runs a name that it does not permit`);
		});
}

function testCases({ output, wantsJson }: Context, policy: Policy, path: string): void {
	const results = parseCases(readText(path), path).map((each) => runCase(policy, each));
	const failed = results.filter(({ passed }) => !passed);
	if (failed.length > 0) process.exitCode = ExitCode.failed;
	if (wantsJson()) return output.json({ passed: results.length - failed.length, failed: failed.length, results });
	for (const { title, expected, got } of failed) output.line(`${output.paint('red', 'FAIL')}  ${title}: expected ${expected}, got ${got}`);
	output.line(`${results.length - failed.length} as expected, ${failed.length} not`);
}

function explain(policy: Policy, request: PolicyRequest, decision: PolicyDecision, file: string): string {
	if (!decision.allowed) return refusalSentence(request, decision, { path: file, exists: policy.hasFile });
	const names = decision.rules.map((id) => {
		const { line, builtIn } = place(policy, id);
		return builtIn ? `the built-in rule "${id}"` : `the rule "${id}" (line ${line})`;
	});
	const more = decision.rules.includes(`${BUILTIN_PREFIX}run`) ? '; the CA\'s allow list of the node decides about the name' : '';
	return `${names.join(' and ')} permit${names.length > 1 ? '' : 's'} ${describe(request)}${more}`;
}

function place({ rules }: Policy, id: string): { id: string; builtIn: boolean; line?: number } {
	const builtIn = id.startsWith(BUILTIN_PREFIX);
	const line = rules.find((rule) => rule.id === id)?.line;
	return { id, builtIn, ...(!builtIn && line !== undefined && { line }) };
}

async function allowList(context: Context, node: string): Promise<readonly string[]> {
	const { nodes } = await context.ca().json<{ nodes: NodeInfo[] }>('GET', '/v1/nodes');
	const found = nodes.find(({ name }) => name === node);
	if (!found) throw new BirthmarkError('node-unknown', `the CA knows no node "${node}"; birthmark node ls lists them`);
	return found.allow;
}

function readText(path: string): string {
	try {
		return readFileSync(path === '-' ? 0 : path, 'utf8');
	} catch (cause) {
		throw new BirthmarkError('usage', `${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
	}
}

function readJson(path: string): unknown {
	try {
		return JSON.parse(readText(path));
	} catch (cause) {
		if (cause instanceof BirthmarkError) throw cause;
		throw new BirthmarkError('config-invalid', `${path} is not JSON`, { cause });
	}
}

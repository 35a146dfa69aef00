/** `birthmark doctor` against an engine's API and a real CA. */

import test from 'ava';
import type { PluginStatus } from '#common/protocol/plugin-status.ts';
import type { Finding } from '../../../../cli/diagnosis.ts';
import { startEngineApi } from '../../../fakes/engine-api.ts';
import { startCa } from '../../../support/ca.ts';
import { newCommand } from '../../../support/command.ts';

const STATUS: PluginStatus = {
	version: '0.1.0', inChain: true, joined: true, node: 'host1', nodeCertificateExpires: new Date(Date.now() + 30 * 86_400_000).toISOString(), bundleDigest: 'ab'.repeat(32), ca: 'reachable',
	seen: true,
	clockSkewSeconds: 0, pendingRevocations: 0, policy: 'none', tmpfs: 'ok', noswap: true,
};

interface Report {
	readonly healthy: boolean;
	readonly findings: readonly Finding[];
}

test('where everything is in place it ends with 0, and says who the operator is', async (t) => {
	const ca = await startCa(t);
	const env = { DOCKER_HOST: await startEngineApi(t, { plugins: [{ Name: 'birthmark:latest', Enabled: true }], status: STATUS }) };
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const { code, stdout, stderr } = await birthmark(['doctor'], { env });
	t.is(code, 0, stdout + stderr);
	t.true(stdout.trimEnd().split('\n').every((line) => line.startsWith('ok    ')), stdout);
	t.regex(stdout, /^ok {4}engine {12}Docker 20\.10\.24, API 1\.41$/m);
	t.regex(stdout, /^ok {4}operator {10}local in trust domain birthmark\.internal$/m);
	const { healthy, findings } = (await birthmark(['doctor', '--json'], { env })).json<Report>();
	t.true(healthy);
	t.is(findings.length, 12);
});

test('one fault is enough for 3, and comes with what to do', async (t) => {
	const env = { DOCKER_HOST: await startEngineApi(t, { plugins: [{ Name: 'birthmark:latest', Enabled: true }], status: { ...STATUS, inChain: false } }) };
	const birthmark = newCommand(t);
	const { code, stdout } = await birthmark(['doctor'], { env });
	t.is(code, 3);
	t.regex(stdout, /^FAIL {2}enforcement +the engine does NOT ask the plugin.*\n +→ name it in daemon\.json/m);
	const json = await birthmark(['--json', 'doctor'], { env });
	t.is(json.code, 3);
	t.false(json.json<Report>().healthy);
});

test('warnings are no fault: no login on a mere engine host', async (t) => {
	const env = { DOCKER_HOST: await startEngineApi(t, { plugins: [{ Name: 'birthmark:latest', Enabled: true }], status: { ...STATUS, pendingRevocations: 3 } }) };
	const { code, json } = await newCommand(t)(['doctor', '--json'], { env });
	t.is(code, 0);
	t.deepEqual(json<Report>().findings.filter(({ verdict }) => verdict === 'warning').map(({ check }) => check), ['revocations', 'operator']);
});

for (const [name, engine, check, detail] of [
	['without a plugin', { plugins: [] }, 'plugin', /no plugin birthmark is installed/],
	['with the plugin of somebody else', { plugins: [{ Name: 'birthmark-other:latest', Enabled: true }] }, 'plugin', /no plugin birthmark is installed/],
	['without the sentinel', { plugins: [{ Name: 'birthmark:latest', Enabled: true }] }, 'plugin status', /sentinel volume is missing/],
] as const) {
	test(`an engine ${name} is a fault`, async (t) => {
		const { code, json } = await newCommand(t)(['doctor', '--json'], { env: { DOCKER_HOST: await startEngineApi(t, engine) } });
		t.is(code, 3);
		const finding = json<Report>().findings.find((item) => item.check === check);
		t.is(finding?.verdict, 'fault');
		t.regex(finding!.detail, detail);
	});
}

test('--plugin names another plugin', async (t) => {
	const env = { DOCKER_HOST: await startEngineApi(t, { plugins: [{ Name: 'mine:v2', Enabled: true }, { Name: 'mine:latest', Enabled: true }], status: STATUS }) };
	const birthmark = newCommand(t);
	t.regex((await birthmark(['doctor', '--plugin', 'mine'], { env })).stdout, /mine:latest is enabled/);
	t.regex((await birthmark(['doctor', '--plugin', 'mine:v2'], { env })).stdout, /mine:v2 is enabled/);
});

for (const address of ['unix:///nonexistent/docker.sock', 'tcp://localhost:1', 'tcp://[']) {
	test(`an engine that is away at ${address} is a fault with a reason`, async (t) => {
		const { code, json, stderr } = await newCommand(t)(['doctor', '--json'], { env: { DOCKER_HOST: address } });
		t.is(code, 3, stderr);
		const [finding] = json<Report>().findings;
		t.like(finding, { check: 'engine', verdict: 'fault' });
		t.regex(finding!.detail, /^the engine could not be asked: [^;]+; set DOCKER_HOST/);
		t.regex(finding!.remedy!, /DOCKER_HOST/);
	});
}

for (const [hides, checks] of [[[], []], [['large'], ['engine: large']], [['chunked', 'large'], ['engine: chunked', 'engine: large']]] as const) {
	test(`an engine that hides ${hides.join(' and ') || 'no'} bodies is told as such, and that is no fault`, async (t) => {
		const env = { DOCKER_HOST: await startEngineApi(t, { plugins: [{ Name: 'birthmark:latest', Enabled: true }], status: STATUS, hides }) };
		const { code, json } = await newCommand(t)(['doctor', '--json'], { env });
		const { healthy, findings } = json<Report>();
		t.deepEqual(findings.filter(({ check }) => check.startsWith('engine: ')).map(({ check }) => check), [...checks]);
		t.true(healthy);
		t.is(code, 0);
	});
}

test('where the plugin is not asked nobody can say which bodies are hidden', async (t) => {
	const env = { DOCKER_HOST: await startEngineApi(t, { plugins: [{ Name: 'birthmark:latest', Enabled: true }], status: { ...STATUS, inChain: false }, hides: ['chunked', 'large'] }) };
	const { json } = await newCommand(t)(['doctor', '--json'], { env });
	t.false(json<Report>().findings.some(({ check }) => check.startsWith('engine: ')));
});

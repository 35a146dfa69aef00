/** What doctor concludes, as a table of what the engine and the plugin say. */

import test from 'ava';
import type { PluginStatus } from '#common/protocol/plugin-status.ts';
import { diagnoseEngine, type Finding } from '../../../cli/diagnosis.ts';
import type { EngineView } from '../../../cli/docker.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const STATUS: PluginStatus = {
	version: '0.1.0', inChain: true, joined: true, node: 'host1', nodeCertificateExpires: '2026-12-21T12:00:00.000Z', bundleDigest: 'ab'.repeat(32), ca: 'reachable',
	seen: true,
	clockSkewSeconds: 0.2, pendingRevocations: 0, policy: 'none', tmpfs: 'ok', noswap: true,
};
const FACTS = { version: '20.10.24', apiVersion: '1.41', kernelVersion: '6.12.0', operatingSystem: 'Debian', securityOptions: [], hiddenBodies: [], runtimes: { dataRoot: '/var/lib/docker', defaultRuntime: 'runc', runtimes: {} } };
const VIEW: EngineView = { ...FACTS, plugin: { name: 'birthmark:latest', enabled: true }, status: STATUS };

const diagnose = (view: EngineView | Error): Finding[] => diagnoseEngine(view, 'birthmark', NOW);
const withStatus = (change: Partial<PluginStatus>): EngineView => ({ ...VIEW, status: { ...STATUS, ...change } });

test('where everything is in place everything is ok, and each question is asked once', (t) => {
	const findings = diagnose(VIEW);
	t.deepEqual(findings.map(({ check, verdict }) => [check, verdict]), [
		['engine', 'ok'], ['plugin', 'ok'], ['enforcement', 'ok'], ['node', 'ok'], ['node certificate', 'ok'], ['CA from the node', 'ok'], ['clock', 'ok'], ['policy', 'ok'], ['tmpfs', 'ok'], ['revocations', 'ok'],
	]);
	t.true(findings.every(({ remedy }) => remedy === undefined));
});

test('a stand-in that an upgrade has left is told, also where the plugin is disabled', (t) => {
	for (const enabled of [true, false]) {
		const finding = diagnose({ ...VIEW, guard: 'birthmark-guard:latest', plugin: { name: 'birthmark:latest', enabled } }).find(({ check }) => check === 'upgrade');
		t.like(finding, { verdict: 'warning', remedy: 'wait for it, or as root: birthmark plugin upgrade --resume' });
		t.regex(finding!.detail, /^birthmark-guard:latest stands in/);
	}
});

/** Nothing more can be said when one of these is missing. */
for (const [name, view, check, detail, remedy] of [
	['the engine is away', new Error('the engine could not be asked'), 'engine', /could not be asked/, /DOCKER_HOST/],
	['no plugin is installed', { ...VIEW, plugin: undefined }, 'plugin', /no plugin birthmark is installed/, /docker plugin install/],
	['the plugin is disabled', { ...VIEW, plugin: { name: 'birthmark:latest', enabled: false } }, 'plugin', /birthmark:latest is disabled/, /docker plugin enable birthmark.*HUP/],
	['the plugin says nothing', { ...VIEW, status: undefined }, 'plugin status', /sentinel volume is missing/, /authorization-plugins/],
] as const) {
	test(`when ${name}, that is the last finding and a fault`, (t) => {
		const findings = diagnose(view);
		const last = findings.pop();
		t.like(last, { check, verdict: 'fault' });
		t.regex(last!.detail, detail);
		t.regex(last!.remedy!, remedy);
		t.true(findings.every(({ verdict }) => verdict === 'ok'));
	});
}

const CASES: ReadonlyArray<readonly [string, Partial<PluginStatus>, string, Finding['verdict'] | undefined, RegExp?]> = [
	['the engine does not ask the plugin', { inChain: false }, 'enforcement', 'fault', /does NOT ask/],
	['the engine does not obey', { inChain: false, enforcementProblem: 'it acts all the same; restart it; report it' }, 'enforcement', 'fault', /^it acts all the same: no token is issued$/],
	['it is not known whether the engine asks', { inChain: null }, 'enforcement', 'warning', /not known/],
	['the plugin has not joined', { joined: false, node: null }, 'node', 'fault', /has not joined/],
	['it joined under a name', {}, 'node', 'ok', /joined as host1$/],
	['the certificate has three days and a second left', { nodeCertificateExpires: '2026-11-24T12:00:01Z' }, 'node certificate', 'ok'],
	['it has three days left', { nodeCertificateExpires: '2026-11-24T12:00:00Z' }, 'node certificate', 'warning', /^expires at/],
	['it has a second left', { nodeCertificateExpires: '2026-11-21T12:00:01Z' }, 'node certificate', 'warning', /^expires at/],
	['it has expired', { nodeCertificateExpires: '2026-11-21T12:00:00Z' }, 'node certificate', 'fault', /^expired at/],
	['its end cannot be read', { nodeCertificateExpires: 'soon' }, 'node certificate', 'fault'],
	['there is no certificate', { nodeCertificateExpires: null }, 'node certificate', undefined],
	['the CA is away', { ca: 'ca-unavailable: no answer' }, 'CA from the node', 'fault', /^ca-unavailable: no answer$/],
	['the clock is thirty seconds ahead', { clockSkewSeconds: 30 }, 'clock', 'ok'],
	['the clock is more ahead', { clockSkewSeconds: 30.1 }, 'clock', 'fault', /^30 s/],
	['the clock is behind', { clockSkewSeconds: -31 }, 'clock', 'fault', /^31 s/],
	['the clock is not known', { clockSkewSeconds: null }, 'clock', undefined],
	['there is no policy file', { policy: 'none' }, 'policy', 'ok', /built-in rules only/],
	['a policy file is in force', { policy: 'ab'.repeat(32) }, 'policy', 'ok', /^in force, SHA-256 abababababab…$/],
	['nobody has looked at the policy yet', { policy: null }, 'policy', 'ok', /not looked at/],
	['the policy is faulty', { policy: 'the policy /x has a fault in line 3' }, 'policy', 'fault', /line 3/],
	['no tmpfs can be mounted', { tmpfs: 'EPERM' }, 'tmpfs', 'fault', /^EPERM$/],
	['revocations wait', { pendingRevocations: 2 }, 'revocations', 'warning', /^2 wait/],
];
for (const [name, change, check, verdict, detail] of CASES) {
	test(`when ${name}: ${check} is ${verdict ?? 'not spoken of'}`, (t) => {
		const findings = diagnose(withStatus(change));
		const finding = findings.find((item) => item.check === check);
		t.is(finding?.verdict, verdict);
		if (detail) t.regex(finding!.detail, detail);
		if (verdict === 'warning' || verdict === 'fault') t.truthy(finding?.remedy);
		t.true(findings.every((item) => item.check === check || item.verdict === 'ok'));
	});
}

/** What doctor says of an engine's limits, as a table of what engines say of themselves. */

import test from 'ava';
import { engineLimits, type EngineFacts } from '../../../cli/engine-limits.ts';

const FACTS: EngineFacts = { version: '28.5.2', apiVersion: '1.51', kernelVersion: '6.12.48', operatingSystem: 'Debian GNU/Linux 13 (trixie)', securityOptions: ['name=seccomp,profile=builtin', 'name=cgroupns'], hiddenBodies: [] };

const CASES: ReadonlyArray<readonly [string, Partial<EngineFacts>, readonly string[]]> = [
	['the newest that is tested', {}, []],
	['the oldest that is tested', { version: '20.10.24+dfsg1', apiVersion: '1.41' }, []],
	['26.1', { version: '26.1.5+dfsg1', apiVersion: '1.45' }, []],
	['one older than any that is tested', { version: '19.03.15', apiVersion: '1.40' }, ['engine: old']],
	['one far older', { version: '1.13.1', apiVersion: '1.26' }, ['engine: old']],
	['29.0, the first newer than any that is tested', { version: '29.0.4', apiVersion: '1.52' }, ['engine: new']],
	['29.1, the last that asks before gRPC', { version: '29.1.9', apiVersion: '1.52' }, ['engine: new']],
	['29.2, the first that does not', { version: '29.2.0', apiVersion: '1.53' }, ['engine: gRPC', 'engine: new']],
	['29.10, which is after 29.2', { version: 'v29.10.0', apiVersion: '1.55' }, ['engine: gRPC', 'engine: new']],
	['30', { version: '30.0.0-rc.1', apiVersion: '1.60' }, ['engine: gRPC', 'engine: new']],
	['a version that cannot be read, which may be any', { version: 'master', apiVersion: 'next' }, ['engine: gRPC', 'engine: new']],
	['bodies in chunks hidden', { hiddenBodies: ['chunked'] }, ['engine: chunked']],
	['large bodies hidden', { hiddenBodies: ['large'] }, ['engine: large']],
	['both hidden', { hiddenBodies: ['chunked', 'large'] }, ['engine: chunked', 'engine: large']],
	['nobody knows what is hidden', { hiddenBodies: undefined }, []],
	['rootless', { securityOptions: ['name=seccomp,profile=builtin', 'name=rootless'] }, ['rootless']],
	['SELinux', { securityOptions: ['name=selinux,selinuxType=targeted'] }, ['SELinux']],
	['a profile that is called like it', { securityOptions: ['name=seccomp,profile=selinux', 'name=rootlesskit'] }, []],
	['Docker Desktop', { operatingSystem: 'Docker Desktop' }, ['Docker Desktop']],
	['Linux 6.4, the first with noswap', { kernelVersion: '6.4.0' }, []],
	['Linux 6.3', { kernelVersion: '6.3.13-generic' }, ['swap']],
	['Linux 5.10, which is before 6', { kernelVersion: '5.10.0-30-amd64' }, ['swap']],
	['a kernel that is not told', { kernelVersion: '' }, []],
];
for (const [name, facts, expected] of CASES) {
	test(`${name}: ${expected.join(', ') || 'no limit'}`, (t) => {
		const findings = engineLimits({ ...FACTS, ...facts });
		t.deepEqual(findings.map(({ check }) => check), expected);
		t.true(findings.every(({ verdict, remedy }) => verdict === 'warning' && remedy !== undefined));
	});
}

test('a finding names the version it is about', (t) => {
	t.is(engineLimits({ ...FACTS, version: '29.3.0' })[0]!.detail, 'Docker 29.3.0 serves BuildKit\'s gRPC without asking any plugin');
});

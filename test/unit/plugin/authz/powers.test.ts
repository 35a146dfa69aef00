import { ok } from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { parseStrictJson } from '#common/protocol/strict-json.ts';
import { structFields } from '../../../../plugin/authz/go-struct.ts';
import { hostConfigPowers } from '../../../../plugin/authz/powers.ts';
import { holds } from '../../../support/property.ts';

const powersOf = (hostConfig: object): string[] => hostConfigPowers(structFields(parseStrictJson(Buffer.from(JSON.stringify(hostConfig))), 'HostConfig'));

const GIVES: readonly (readonly [option: string, hostConfig: object, powers: readonly string[]])[] = [
	['--privileged', { Privileged: true }, ['privileged']],
	['--cap-add SYS_ADMIN', { CapAdd: ['SYS_ADMIN'] }, ['cap-sys-admin']],
	['the same capability in every spelling', { CapAdd: ['sys_admin', 'CAP_SYS_ADMIN', 'Cap_Sys_Admin', ' SYS_ADMIN '] }, ['cap-sys-admin']],
	['--cap-add ALL', { CapAdd: ['all'] }, ['cap-all']],
	['--cap-add SYS_PTRACE', { CapAdd: ['SYS_PTRACE', 'NET_ADMIN'] }, ['cap-sys-ptrace']],
	['the older list of capabilities', { Capabilities: ['CAP_SYS_MODULE'] }, ['cap-sys-module']],
	['--pid host', { PidMode: 'host' }, ['pid-host']],
	['--security-opt seccomp=unconfined', { SecurityOpt: ['seccomp=unconfined'] }, ['seccomp-other']],
	['a seccomp profile of its own', { SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'] }, ['seccomp-other']],
	['--security-opt with a colon', { SecurityOpt: ['apparmor:unconfined'] }, ['apparmor-unconfined']],
	['--security-opt label=disable', { SecurityOpt: ['label=disable', 'disable', 'label:disable'] }, ['label-disabled']],
	['--security-opt systempaths=unconfined, as the command line sends it', { MaskedPaths: [], ReadonlyPaths: [] }, ['paths-unmasked']],
	['fewer paths masked', { MaskedPaths: ['/proc/kcore'] }, ['paths-unmasked']],
	['a disk', { Devices: [{ PathOnHost: '/dev/sda', PathInContainer: '/dev/x', CgroupPermissions: 'rwm' }] }, ['device:/dev/sda']],
	['a disk that is called like a harmless device', { Devices: [{ PathOnHost: '/dev/dri/../sda' }, { PathOnHost: '/dev/snd-x' }] }, ['device:/dev/dri/../sda', 'device:/dev/snd-x']],
	['rules for devices', { DeviceCgroupRules: ['b 8:* rmw'] }, ['device-rules']],
	['CDI devices', { DeviceRequests: [{ Driver: 'cdi', DeviceIDs: ['vendor.com/class=a', 'vendor.com/class=b'] }] }, ['cdi:vendor.com/class=a', 'cdi:vendor.com/class=b']],
	['a CDI driver without devices', { DeviceRequests: [{ Driver: 'cdi' }] }, ['device-driver:cdi']],
	['--gpus all', { DeviceRequests: [{ Driver: '', Count: -1, Capabilities: [['gpu']] }] }, ['device-driver:gpu']],
	['--cgroup-parent', { CgroupParent: '/docker/other' }, ['cgroup-parent']],
	['a property of its unit', { Annotations: { 'org.systemd.property.DeviceAllow': "[('/dev/sda', 'rwm')]", 'com.example.note': 'x' } }, ['annotation:org.systemd.property.DeviceAllow']],
	['other annotations that a runtime obeys', { annotations: { 'org.criu.config': '/x', bundle: '/x', 'run.oci.seccomp_bpf_data': '' } }, ['annotation:org.criu.config', 'annotation:bundle', 'annotation:run.oci.seccomp_bpf_data']],
	['more than one thing', { Privileged: true, PidMode: 'host', CapAdd: ['BPF'] }, ['privileged', 'cap-bpf', 'pid-host']],
	['other letters', { privileged: true, PIDMODE: 'host' }, ['privileged', 'pid-host']],
];

for (const [option, hostConfig, powers] of GIVES) {
	test(`gives power: ${option}`, (t) => t.deepEqual(powersOf(hostConfig), [...powers]));
}

test('what the command line sends by default gives none', (t) => {
	const plain = {
		Binds: null, NetworkMode: 'default', CapAdd: null, CapDrop: null, CgroupnsMode: '', IpcMode: '', PidMode: '', Privileged: false, SecurityOpt: null, UTSMode: '', UsernsMode: '',
		CgroupParent: '', Devices: [], DeviceCgroupRules: null, DeviceRequests: null, MaskedPaths: null, ReadonlyPaths: null,
	};
	t.deepEqual(powersOf(plain), []);
	const ordinary = { CapAdd: ['NET_ADMIN', 'SYS_NICE'], CapDrop: ['ALL'], IpcMode: 'shareable', NetworkMode: 'host', UTSMode: 'host', SecurityOpt: ['no-new-privileges', 'no-new-privileges:true', 'seccomp=builtin', 'apparmor=docker-default', 'label=level:s0:c1'] };
	t.deepEqual(powersOf(ordinary), []);
	t.deepEqual(powersOf({ Annotations: { 'com.example.note': 'x', 'org.criu.config.other': 'x', 'org.systemd.property': 'x', bundled: 'x' } }), []);
	t.deepEqual(powersOf({ Devices: ['/dev/fuse', '/dev/net/tun', '/dev/dri/card0', '/dev/snd'].map((PathOnHost) => ({ PathOnHost })) }), []);
});

test('however it is written, --privileged and SYS_ADMIN are seen', (t) => {
	const mixed = (word: string) => fc.array(fc.boolean(), { minLength: word.length, maxLength: word.length }).map((upper) => [...word].map((letter, index) => (upper[index] ? letter.toUpperCase() : letter.toLowerCase())).join(''));
	holds(t, 300, fc.property(mixed('privileged'), mixed('capadd'), mixed('cap_sys_admin'), fc.dictionary(fc.stringMatching(/^x[a-z]{1,8}$/), fc.jsonValue()), (privileged, capAdd, name, noise) => {
		const powers = powersOf({ ...noise, [privileged]: true, [capAdd]: ['NET_RAW', name] });
		ok(powers.includes('privileged') && powers.includes('cap-sys-admin'));
	}));
});

/**
 * The powers by which a container could reach other containers, their files or the engine from
 * outside (29, 54, 55 in docs/threat-model.md), read from HostConfig (moby, api/types/container).
 * Their names are those of `resource.powers` in a policy. Which options count, and which do not:
 * docs/adr/0024. Binds are in host-zones.ts, namespaces of other containers in joins.ts.
 */

import { asList, asString, isSet, mapEntries, structFields, type Fields } from './go-struct.ts';

/** Capabilities with which a process gets past its namespaces; those of `--cap-add` beside them stay inside. */
const CAPABILITIES: readonly string[] = [
	'ALL',
	'SYS_ADMIN', // mounts, namespaces
	'SYS_PTRACE', // other processes, by a pidfd that came over a shared socket
	'SYS_MODULE', // the kernel
	'SYS_RAWIO', // memory and ports
	'DAC_READ_SEARCH', // open_by_handle_at(2): any file of a file system that is mounted
	'BPF', 'PERFMON', // programs in the kernel, memory of all processes
	'MAC_ADMIN', 'MAC_OVERRIDE', // the rules of AppArmor, Smack
];

/** Character devices that programs work with and that reach nobody else; directories stand for what is in them. */
const ORDINARY_DEVICES: readonly string[] = ['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom', '/dev/fuse', '/dev/net/tun', '/dev/kvm', '/dev/dri', '/dev/snd'];

/**
 * Annotations (API 1.43 and later) by which the program that makes containers is told what to do on the host:
 * those that runc itself calls potentially unsafe (`runc features`), and other programs' own. With a dot at
 * the end it is how their names begin.
 */
const ANNOTATIONS: readonly string[] = [
	'org.systemd.property.', // the container's unit: devices, control group
	'org.criu.config', // a file of the host that names programs to run
	'bundle', // where the container's configuration lies
	'run.oci.', // crun
	'io.katacontainers.',
	'dev.gvisor.',
];

/** @returns the powers of a container by its HostConfig alone, in order, none twice */
export function hostConfigPowers(host: Fields): string[] {
	const powers = [
		...(isSet(host.get('privileged')) ? ['privileged'] : []),
		...capabilityPowers([...strings(host, 'capadd'), ...strings(host, 'capabilities')]),
		...(asString(host.get('pidmode'), 'HostConfig.PidMode') === 'host' ? ['pid-host'] : []),
		...strings(host, 'securityopt').flatMap(securityPower),
		// Any list takes the place of the engine's own, an empty one as well.
		...(host.has('maskedpaths') || host.has('readonlypaths') ? ['paths-unmasked'] : []),
		...devicePaths(host).map((path) => `device:${path}`),
		...(isSet(host.get('devicecgrouprules')) ? ['device-rules'] : []),
		...requestedDevices(host),
		...(isSet(host.get('cgroupparent')) ? ['cgroup-parent'] : []),
		...annotationPowers(host),
	];
	return [...new Set(powers)];
}

/** @param names as written: `SYS_ADMIN`, `cap_sys_admin` */
export function capabilityPowers(names: readonly string[]): string[] {
	return names
		.map((name) => name.trim().toUpperCase().replace(/^CAP_/, ''))
		.filter((name) => CAPABILITIES.includes(name))
		.map((name) => `cap-${name.toLowerCase().replaceAll('_', '-')}`);
}

/** One `--security-opt`, with `=` or the older `:` (moby, daemon parseSecurityOpt). */
function securityPower(option: string): string[] {
	if (option === 'disable') return ['label-disabled'];
	const [, name = '', value = ''] = /^([^=:]*)[=:]([^]*)$/.exec(option) ?? [];
	switch (name) {
		// A profile of one's own may allow everything.
		case 'seccomp':
			return value === 'builtin' || value === '' ? [] : ['seccomp-other'];
		case 'apparmor':
			return value === 'unconfined' ? ['apparmor-unconfined'] : [];
		case 'label':
			return value === 'disable' || value.startsWith('type:') ? ['label-disabled'] : [];
		case 'systempaths':
			return ['paths-unmasked'];
		default:
			return [];
	}
}

/** `HostConfig.Devices` that are not ordinary ones. A path that is a link, or anything but plain, is none. */
function devicePaths(host: Fields): string[] {
	return asList(host.get('devices'), 'HostConfig.Devices')
		.map((device) => asString(structFields(device, 'HostConfig.Devices').get('pathonhost'), 'PathOnHost'))
		.filter((path) => !ORDINARY_DEVICES.some((ordinary) => path === ordinary || (path.startsWith(`${ordinary}/`) && !path.includes('..'))));
}

/** `HostConfig.DeviceRequests`: drivers, CDI among them, apply mounts and hooks that the host defines (55). */
function requestedDevices(host: Fields): string[] {
	return asList(host.get('devicerequests'), 'HostConfig.DeviceRequests').flatMap((entry) => {
		const request = structFields(entry, 'HostConfig.DeviceRequests');
		const driver = asString(request.get('driver'), 'Driver');
		const ids = asList(request.get('deviceids'), 'DeviceIDs').map((id) => asString(id, 'DeviceIDs'));
		if (driver === 'cdi' && ids.length > 0) return ids.map((id) => `cdi:${id}`);
		const capabilities = asList(request.get('capabilities'), 'Capabilities').flatMap((all) => asList(all, 'Capabilities').map((one) => asString(one, 'Capabilities')));
		return [`device-driver:${driver || capabilities.join('+')}`];
	});
}

function annotationPowers(host: Fields): string[] {
	return [...mapEntries(host.get('annotations'), 'HostConfig.Annotations').keys()]
		.filter((name) => ANNOTATIONS.some((meant) => (meant.endsWith('.') ? name.startsWith(meant) : name === meant)))
		.map((name) => `annotation:${name}`);
}

function strings(fields: Fields, name: string): string[] {
	return asList(fields.get(name), name).map((item) => asString(item, name));
}

/**
 * The body of `POST /containers/create`, as far as it concerns identities (moby,
 * api/types/container). What the engine would read in more than one way is refused here.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { parseStrictJson, type JsonValue } from '#common/protocol/strict-json.ts';
import { asList, asString, isSet, mapEntries, stringMap, structFields, type Fields } from './go-struct.ts';
import { joinsOf, type Join } from './joins.ts';
import { hostConfigPowers } from './powers.ts';

export interface MountSpec {
	/** `volume`, `bind`, `tmpfs`, …; as written */
	readonly type: string;
	readonly source: string;
	readonly target: string;
	readonly isReadOnly: boolean;
	/** for what is mounted below it later: `rprivate` when empty */
	readonly propagation: string;
	/** of an inline volume; empty when none is named */
	readonly driver: string;
	readonly driverOptions: ReadonlyMap<string, string>;
	/** the directory of the volume that is mounted instead of all of it (API ≥ 1.45) */
	readonly subpath: string;
}

export interface CreateBody {
	readonly image: string;
	readonly user: string;
	readonly labels: ReadonlyMap<string, string>;
	/** driver of every volume that names none itself */
	readonly volumeDriver: string;
	/** `SOURCE:TARGET[:OPTIONS]` */
	readonly binds: readonly string[];
	readonly mounts: readonly MountSpec[];
	/** `CONTAINER[:MODE]` */
	readonly volumesFrom: readonly string[];
	readonly privileged: boolean;
	/** capabilities added, as written: `SYS_ADMIN`, `cap_sys_admin`, `ALL` */
	readonly capAdd: readonly string[];
	/** `bridge`, `host`, `none`, `container:…` or the name of a network; empty for the engine's choice */
	readonly networkMode: string;
	/** names of the networks that it joins at once */
	readonly networks: readonly string[];
	/** name of the OCI runtime; empty for the engine's default */
	readonly runtime: string;
	/** `host` for a container that stays out of the engine's user namespaces */
	readonly usernsMode: string;
	/** where `Volumes` and `Tmpfs` mount */
	readonly otherTargets: readonly string[];
	/** by which it could reach the host from outside, without those that its mounts give */
	readonly powers: readonly string[];
	/** namespaces of other containers */
	readonly joins: readonly Join[];
}

/**
 * Old engines (API ≤ 1.44) take fields of HostConfig at the top of the body as well, and prefer them.
 * Those that give reach are refused there; plain resource limits of old clients pass.
 */
const NEVER_AT_TOP = [
	'binds', 'mounts', 'volumesfrom', 'volumedriver', 'tmpfs', 'privileged', 'pidmode', 'ipcmode', 'utsmode', 'usernsmode', 'cgroupnsmode',
	'networkmode', 'capadd', 'capdrop', 'capabilities', 'securityopt', 'devices', 'devicecgrouprules', 'devicerequests', 'cgroupparent',
	'cgroup', 'runtime', 'groupadd', 'links', 'sysctls', 'maskedpaths', 'readonlypaths', 'isolation', 'annotations',
];

/** An empty list of paths of /proc to hide hides none. */
const MEANS_MUCH_WHEN_EMPTY = ['maskedpaths', 'readonlypaths'];

/**
 * @param bytes the body as the engine showed it
 * @throws BirthmarkError `engine-request-unseen`, `engine-request-ambiguous` or `request-malformed`
 */
export function parseCreateBody(bytes: Buffer | undefined): CreateBody {
	const top = structFields(parseBody(bytes, 'create a container'), 'the request');
	for (const name of NEVER_AT_TOP) {
		if (isSet(top.get(name)) || (MEANS_MUCH_WHEN_EMPTY.includes(name) && top.has(name))) {
			throw new BirthmarkError('engine-request-ambiguous', `"${name}" stands at the top of the request; put it into HostConfig`);
		}
	}
	const host = structFields(top.get('hostconfig'), 'HostConfig');
	const networking = structFields(top.get('networkingconfig'), 'NetworkingConfig');
	return {
		image: asString(top.get('image'), 'Image'),
		user: asString(top.get('user'), 'User'),
		labels: stringMap(top.get('labels'), 'Labels'),
		volumeDriver: asString(host.get('volumedriver'), 'HostConfig.VolumeDriver'),
		binds: strings(host, 'binds'),
		mounts: parseMounts(host.get('mounts'), 'HostConfig.Mounts'),
		volumesFrom: strings(host, 'volumesfrom'),
		privileged: isSet(host.get('privileged')),
		capAdd: [...strings(host, 'capadd'), ...strings(host, 'capabilities')],
		networkMode: asString(host.get('networkmode'), 'HostConfig.NetworkMode'),
		networks: [...mapEntries(networking.get('endpointsconfig'), 'NetworkingConfig.EndpointsConfig').keys()],
		runtime: asString(host.get('runtime'), 'HostConfig.Runtime'),
		usernsMode: asString(host.get('usernsmode'), 'HostConfig.UsernsMode'),
		otherTargets: [...mapEntries(top.get('volumes'), 'Volumes').keys(), ...mapEntries(host.get('tmpfs'), 'HostConfig.Tmpfs').keys()],
		powers: hostConfigPowers(host),
		joins: joinsOf(host),
	};
}

/** @throws BirthmarkError `engine-request-unseen` when the engine showed no body, `engine-request-ambiguous` when it is no JSON */
export function parseBody(bytes: Buffer | undefined, what: string): JsonValue {
	if (!bytes || bytes.length === 0) {
		throw new BirthmarkError(
			'engine-request-unseen',
			`the engine did not show the body of this request to ${what}; send it as application/json, with a Content-Length and smaller than 1 MiB`,
		);
	}
	try {
		return parseStrictJson(bytes);
	} catch (cause) {
		throw new BirthmarkError('engine-request-ambiguous', `the request body is not one JSON value: ${(cause as Error).message}`, { cause });
	}
}

/** A list of mounts, of a container or of a service. */
export function parseMounts(value: JsonValue | undefined, where: string): MountSpec[] {
	return asList(value, where).map((entry, index) => {
		const mount = structFields(entry, `${where}[${index}]`);
		const options = structFields(mount.get('volumeoptions'), `${where}[${index}].VolumeOptions`);
		const driver = structFields(options.get('driverconfig'), `${where}[${index}].VolumeOptions.DriverConfig`);
		return {
			type: asString(mount.get('type'), 'Type'),
			source: asString(mount.get('source'), 'Source'),
			target: asString(mount.get('target'), 'Target'),
			isReadOnly: isSet(mount.get('readonly')),
			propagation: asString(structFields(mount.get('bindoptions'), `${where}[${index}].BindOptions`).get('propagation'), 'Propagation'),
			driver: asString(driver.get('name'), 'DriverConfig.Name'),
			driverOptions: stringMap(driver.get('options'), 'DriverConfig.Options'),
			subpath: asString(options.get('subpath'), 'Subpath'),
		};
	});
}

function strings(fields: Fields, name: string): string[] {
	return asList(fields.get(name), name).map((item) => asString(item, name));
}

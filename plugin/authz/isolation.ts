/**
 * What a container mounts, with or without labels. One volume of another's identity: identity-mount.ts.
 * What leads to the files of the host gives powers (reach-host.ts), or is refused to everybody.
 * Numbers are those of the abuse catalogue in docs/threat-model.md.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import type { EngineContainerDetails } from '../docker.ts';
import { mountOption, namesUs, type Self } from '../self.ts';
import { bounded } from './bounded.ts';
import type { CreateBody, MountSpec } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import type { HostPaths } from './host-zones.ts';
import { checkReach } from './labelled-containers.ts';
import type { AuthorizerDeps } from './rule.ts';

type Deps = Pick<AuthorizerDeps, 'self' | 'lookup' | 'policy' | 'environment' | 'engine' | 'records'>;

/** What containers have that is handed over to one that inherits it. */
interface Inherited {
	readonly binds: readonly { readonly path: string; readonly isWritable: boolean }[];
	/** names */
	readonly volumes: readonly string[];
}

/**
 * File systems that show nothing of the host but the directories that are named. `proc` is the host's
 * own, with the root of every process in it; a disk holds the keys of the node and of the engine.
 */
const SAFE_TYPES: readonly string[] = ['', 'none', 'tmpfs', 'overlay', 'nfs', 'nfs4', 'cifs', 'smb3', 'ceph', 'glusterfs', '9p', 'virtiofs'];

/** The driver of every volume cannot be ours (27). @throws BirthmarkError `mount-illegal` */
export function checkVolumeDriver(self: Self, { volumeDriver }: CreateBody): void {
	if (!namesUs(self, volumeDriver)) return;
	throw new BirthmarkError('mount-illegal', `the birthmark driver cannot be the driver of every volume; use ${mountOption(self)}`);
}

/** @param binds `SOURCE:TARGET[:OPTIONS]` @throws BirthmarkError `identity-isolated`, `request-too-large` */
export async function bindPowers(hostPaths: HostPaths, binds: readonly string[]): Promise<string[]> {
	const powers: string[] = [];
	for (const bind of binds) {
		const [source = '', , options = ''] = bind.split(':');
		powers.push(...(await hostPaths.powersOf(source, !options.split(',').includes('ro'))));
	}
	return powers;
}

/** Of the mounts of a container or a service. @throws BirthmarkError `identity-isolated`, `request-too-large` */
export async function mountPowers(hostPaths: HostPaths, mounts: readonly MountSpec[]): Promise<string[]> {
	const powers: string[] = [];
	for (const { source, isReadOnly, driver, driverOptions } of mounts) {
		powers.push(...(await hostPaths.powersOf(source, !isReadOnly)), ...(await volumeOptionPowers(hostPaths, driver, driverOptions)));
	}
	return powers;
}

/**
 * Options of the local driver can bind any directory of the host (26): every path in them counts. What
 * would be read otherwise than it is written is refused: a relative path starts at the engine's
 * directory, overlayfs takes backslashes away, Swarm fills in templates (`{{…}}`).
 */
export async function volumeOptionPowers(hostPaths: HostPaths, driver: string, options: ReadonlyMap<string, string>): Promise<string[]> {
	const flags = options.get('o') ?? '';
	const device = options.get('device') ?? '';
	const directories = [...flags.matchAll(/dir\+?=([^,]*)/g)].flatMap(([, paths]) => paths!.split(':')).filter((path) => path !== '');
	if (/(?:^|,)r?bind(?:,|$)/.test(flags)) directories.push(device);
	const unclear = directories.find((path) => !/^\/[^\\{]*$/.test(path));
	if (unclear !== undefined) throw new BirthmarkError('identity-isolated', `the host path ${quote(unclear)} in the options of a volume is not plain; write it from the root, without backslashes and braces`);
	const powers: string[] = [];
	// Other drivers have types of their own.
	if (driver === '' || driver === 'local') {
		const type = options.get('type') ?? '';
		if (!SAFE_TYPES.includes(type)) powers.push(`filesystem:${type}`);
		if (device.startsWith('/dev/')) powers.push(`device:${device}`);
	}
	// A comma may be part of a path, or its end.
	const parts = new Set([...directories, ...[...options.values()].flatMap((value) => [value, ...value.split(/[,:=]/)])]);
	for (const part of parts) powers.push(...(await hostPaths.powersOf(part, true)));
	return powers;
}

/** The names of volumes that a request mounts; what is a path of the host is none. */
export function volumeNames({ binds, mounts }: Pick<CreateBody, 'binds' | 'mounts'>): string[] {
	const names = [...binds.map((bind) => bind.split(':')[0]!), ...mounts.filter(({ type }) => type.toLowerCase() === 'volume').map(({ source }) => source)];
	return names.filter((name) => name !== '' && !name.startsWith('/'));
}

/** Volumes that were made before: what the local driver binds for them, whoever made them and when. @throws BirthmarkError `identity-isolated`, `request-too-large` */
export async function namedVolumePowers({ engine, records }: Pick<Deps, 'engine' | 'records'>, hostPaths: HostPaths, names: readonly string[]): Promise<string[]> {
	const powers: string[] = [];
	for (const name of bounded(names.filter((candidate) => !records.hasVolume(candidate)), 'volumes')) {
		const volume = await engine.volume(name);
		if (volume?.Driver === 'local') powers.push(...(await volumeOptionPowers(hostPaths, 'local', new Map(Object.entries(volume.Options ?? {})))));
	}
	return powers;
}

/**
 * `--volumes-from` (24): of a labelled container it would hand over the identity; of others it hands
 * over what they have bound, by the options of a volume as well.
 *
 * @param volumesFrom `CONTAINER[:MODE]`
 * @throws BirthmarkError unless the policy permits it; `request-too-large`
 */
export async function inherited(deps: Deps, call: EngineCall, volumesFrom: readonly string[]): Promise<Inherited> {
	const mounts: NonNullable<EngineContainerDetails['Mounts']>[number][] = [];
	for (const reference of bounded(volumesFrom.map((entry) => entry.split(':')[0]!), 'containers by --volumes-from')) {
		const labelled = await deps.lookup.labelled(reference);
		if (labelled) await checkReach(deps, call, 'mount', labelled, `--volumes-from ${quote(reference)} would hand it over; share its other volumes by name`);
		mounts.push(...((await deps.engine.inspect(reference))?.Mounts ?? []));
	}
	return {
		binds: mounts.filter(({ Type }) => Type === 'bind').map(({ Source = '', RW }) => ({ path: Source, isWritable: RW !== false })),
		volumes: mounts.filter(({ Type, Name = '' }) => Type === 'volume' && Name !== '').map(({ Name }) => Name!),
	};
}

/** @throws BirthmarkError as {@link bindPowers} */
export async function inheritedPowers(hostPaths: HostPaths, { binds }: Inherited): Promise<string[]> {
	const powers: string[] = [];
	for (const { path, isWritable } of binds) powers.push(...(await hostPaths.powersOf(path, isWritable)));
	return powers;
}

/**
 * What a container mounts, with or without labels. One volume of another's identity: identity-mount.ts.
 * What leads to the files of the host gives powers (reach-host.ts), or is refused to everybody.
 * Numbers are those of the abuse catalogue in docs/threat-model.md.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { mountOption, namesUs, type Self } from '../self.ts';
import type { CreateBody, MountSpec } from './create-body.ts';
import type { EngineCall } from './engine-call.ts';
import type { HostZones } from './host-zones.ts';
import { checkReach } from './labelled-containers.ts';
import type { AuthorizerDeps } from './rule.ts';

type Deps = Pick<AuthorizerDeps, 'self' | 'hostZones' | 'lookup' | 'policy' | 'environment' | 'engine' | 'records'>;

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

/** @param binds `SOURCE:TARGET[:OPTIONS]` @throws BirthmarkError `identity-isolated` */
export async function bindPowers({ hostZones }: Pick<Deps, 'hostZones'>, binds: readonly string[]): Promise<string[]> {
	const powers: string[] = [];
	for (const bind of binds) {
		const [source = '', , options = ''] = bind.split(':');
		powers.push(...(await hostZones.powersOf(source, !options.split(',').includes('ro'))));
	}
	return powers;
}

/** Of the mounts of a container or a service. @throws BirthmarkError `identity-isolated` */
export async function mountPowers(deps: Pick<Deps, 'hostZones'>, mounts: readonly MountSpec[]): Promise<string[]> {
	const powers: string[] = [];
	for (const { source, isReadOnly, driver, driverOptions } of mounts) {
		powers.push(...(await deps.hostZones.powersOf(source, !isReadOnly)), ...(await volumeOptionPowers(deps, driver, driverOptions)));
	}
	return powers;
}

/**
 * Options of the local driver can bind any directory of the host (26): every path in them counts. What
 * would be read otherwise than it is written is refused: a relative path starts at the engine's
 * directory, overlayfs takes backslashes away, Swarm fills in templates (`{{…}}`).
 */
export async function volumeOptionPowers({ hostZones }: { readonly hostZones: HostZones }, driver: string, options: ReadonlyMap<string, string>): Promise<string[]> {
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
	for (const part of parts) powers.push(...(await hostZones.powersOf(part, true)));
	return powers;
}

/** Volumes that were made before, by name: what the local driver binds for them, whoever made them and when. */
export async function namedVolumePowers(deps: Deps, { binds, mounts }: Pick<CreateBody, 'binds' | 'mounts'>): Promise<string[]> {
	const names = [...binds.map((bind) => bind.split(':')[0]!), ...mounts.filter(({ type }) => type.toLowerCase() === 'volume').map(({ source }) => source)];
	const powers: string[] = [];
	for (const name of new Set(names)) {
		if (name !== '' && !name.startsWith('/') && !deps.records.hasVolume(name)) powers.push(...(await powersOfVolume(deps, name)));
	}
	return powers;
}

async function powersOfVolume(deps: Pick<Deps, 'engine' | 'hostZones'>, name: string): Promise<string[]> {
	const volume = await deps.engine.volume(name);
	return volume?.Driver === 'local' ? volumeOptionPowers(deps, 'local', new Map(Object.entries(volume.Options ?? {}))) : [];
}

/**
 * `--volumes-from` (24): of a labelled container it would hand over the identity; of others it hands
 * over what they have bound, by the options of a volume as well.
 *
 * @param volumesFrom `CONTAINER[:MODE]`
 */
export async function inheritedPowers(deps: Deps, call: EngineCall, volumesFrom: readonly string[]): Promise<string[]> {
	const powers: string[] = [];
	for (const entry of volumesFrom) {
		const reference = entry.split(':')[0]!;
		const labelled = await deps.lookup.labelled(reference);
		if (labelled) await checkReach(deps, call, 'mount', labelled, `--volumes-from ${quote(reference)} would hand it over; share its other volumes by name`);
		for (const { Type, Name = '', Source = '', RW } of (await deps.engine.inspect(reference))?.Mounts ?? []) {
			if (Type === 'bind') powers.push(...(await deps.hostZones.powersOf(Source, RW !== false)));
			if (Type === 'volume' && Name !== '' && !deps.records.hasVolume(Name)) powers.push(...(await powersOfVolume(deps, Name)));
		}
	}
	return powers;
}

/**
 * What no container may do, with or without labels: reach into the identity of another by way of
 * the host's files or all of another container's volumes (one volume: identity-mount.ts). Numbers are
 * those of the abuse catalogue in docs/threat-model.md.
 */

import { posix } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { mountOption, namesUs, type Self } from '../self.ts';
import type { CreateBody, MountSpec } from './create-body.ts';
import { overlaps, resolveOnHost } from './host-paths.ts';

export interface IsolationDeps {
	readonly self: () => Promise<Self>;
	/** where the host's file system is seen */
	readonly hostRoot: string;
	readonly findLabelled: (reference: string) => Promise<unknown>;
}

/**
 * Checks a container create: binds, mounts, the driver of all its volumes (27), VolumesFrom (24).
 *
 * @throws BirthmarkError `identity-isolated` or `mount-illegal`
 */
export async function checkIsolation(deps: IsolationDeps, body: CreateBody): Promise<void> {
	const self = await deps.self();
	if (namesUs(self, body.volumeDriver)) {
		throw new BirthmarkError('mount-illegal', `the birthmark driver cannot be the driver of every volume; use ${mountOption(self)}`);
	}
	for (const bind of body.binds) await checkHostPath(deps, bind.split(':')[0]!);
	await checkMounts(deps, body.mounts);
	for (const entry of body.volumesFrom) {
		const reference = entry.split(':')[0]!;
		if (await deps.findLabelled(reference)) {
			throw new BirthmarkError(
				'identity-isolated',
				`--volumes-from ${quote(reference)} would hand over the identity of that container; share its other volumes by name`,
			);
		}
	}
}

/** Checks the mounts of a container or a service. @throws BirthmarkError `identity-isolated` */
export async function checkMounts(deps: IsolationDeps, mounts: readonly MountSpec[]): Promise<void> {
	for (const mount of mounts) {
		await checkHostPath(deps, mount.source);
		await checkVolumeOptions(deps, mount.driver, mount.driverOptions);
	}
}

/**
 * File systems that show nothing of the host but the directories that are named. `proc` is the host's
 * own, with the root of every process in it; a disk holds the keys of the node and of the engine.
 */
const SAFE_TYPES = ['', 'none', 'tmpfs', 'overlay', 'nfs', 'nfs4', 'cifs', 'smb3', 'ceph', 'glusterfs', '9p', 'virtiofs'];

/**
 * Options of the local driver can bind any directory of the host (26): every path in them counts. What
 * would be read otherwise than it is written is refused: a relative path starts at the engine's
 * directory, overlayfs takes backslashes away, Swarm fills in templates (`{{…}}`).
 */
export async function checkVolumeOptions(deps: IsolationDeps, driver: string, options: ReadonlyMap<string, string>): Promise<void> {
	const type = options.get('type') ?? '';
	// Other drivers have types of their own.
	if ((driver === '' || driver === 'local') && !SAFE_TYPES.includes(type)) {
		throw new BirthmarkError('identity-isolated', `a volume of type ${quote(type)} could show the host's processes or disks; use one of ${SAFE_TYPES.filter((name) => name !== '').join(', ')}`);
	}
	const flags = options.get('o') ?? '';
	const directories = [...flags.matchAll(/dir\+?=([^,]*)/g)].flatMap(([, paths]) => paths!.split(':')).filter((path) => path !== '');
	if (/(?:^|,)r?bind(?:,|$)/.test(flags)) directories.push(options.get('device') ?? '');
	const unclear = directories.find((path) => !/^\/[^\\{]*$/.test(path));
	if (unclear !== undefined) throw new BirthmarkError('identity-isolated', `the host path ${quote(unclear)} in the options of a volume is not plain; write it from the root, without backslashes and braces`);
	for (const value of options.values()) {
		for (const part of value.split(/[,:=]/)) await checkHostPath(deps, part);
	}
}

/** What does not begin with a slash is the name of a volume: see identity-mount.ts. */
async function checkHostPath(deps: IsolationDeps, path: string): Promise<void> {
	if (!path.startsWith('/')) return;
	const { protectedPaths } = await deps.self();
	const resolved = await resolveOnHost(deps.hostRoot, path);
	for (const directory of protectedPaths) {
		const forbidden = (await resolveOnHost(deps.hostRoot, directory)) ?? directory;
		for (const candidate of [posix.resolve(path), resolved]) {
			if (candidate !== undefined && !overlaps(candidate, forbidden)) continue;
			throw new BirthmarkError(
				'identity-isolated',
				`the host path ${quote(path)} leads to where the identities of containers are mounted (${forbidden}); bind a directory that does not hold it`,
			);
		}
	}
}

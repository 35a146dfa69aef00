/** The mount that carries an identity: exactly one, at the reserved place, nothing above it. */

import { posix } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { SENTINEL_VOLUME } from '#common/protocol/plugin-status.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import { mountOption, namesUs, type Self } from '../self.ts';
import type { CreateBody, MountSpec } from './create-body.ts';
import { isWithin } from './host-paths.ts';

/**
 * The mounts of our driver; for a container that asks for nothing of ours, none.
 *
 * @param isOurs true for the name of a volume of our driver, which need not be named with the driver
 */
export function identityMounts(self: Self, body: CreateBody, isOurs: (volume: string) => boolean): MountSpec[] {
	const mounts = body.mounts.filter((mount) => namesUs(self, mount.driver) || (mount.source !== '' && isOurs(mount.source)));
	const binds = body.binds.map((bind) => bind.split(':')).filter(([source = '']) => isOurs(source));
	return [...mounts, ...binds.map(([source = '', target = '', options = '']) => ({ type: 'volume', source, target, isReadOnly: options.split(',').includes('ro'), propagation: '', driver: '', driverOptions: new Map(), subpath: '' }))];
}

/**
 * Checks the mounts of a labelled container.
 *
 * @returns the name of the volume; empty when the engine is to invent one
 * @throws BirthmarkError `mount-missing` or `mount-illegal`
 */
export function checkIdentityMount(self: Self, body: CreateBody, isOurs: (volume: string) => boolean): string {
	const [mount, ...more] = identityMounts(self, body, isOurs);
	if (!mount) throw mountMissing(self);
	if (more.length > 0) throw new BirthmarkError('mount-illegal', 'a container has one identity; mount the birthmark driver once');
	if (mount.type.toLowerCase() !== 'volume') {
		throw new BirthmarkError('mount-illegal', `the birthmark driver serves volumes only; use ${mountOption(self)}`);
	}
	if (mount.source === SENTINEL_VOLUME) throw new BirthmarkError('mount-illegal', `${SENTINEL_VOLUME} only tells about the plugin; use a volume of your own`);
	if (mount.driverOptions.size > 0) throw new BirthmarkError('mount-illegal', 'the birthmark driver has no volume options; use labels');
	// The agent that all containers share is one of its directories, and read-only only below the volume's own mount.
	if (mount.subpath !== '') throw new BirthmarkError('mount-illegal', `an identity is mounted whole, not its directory ${quote(mount.subpath)}; leave volume-subpath out`);
	if (posix.resolve('/', mount.target) !== IDENTITY_DIRECTORY) {
		throw new BirthmarkError(
			'mount-illegal',
			`an identity is mounted at ${IDENTITY_DIRECTORY}, not at ${quote(mount.target)}; use ${mountOption(self)}`,
		);
	}
	checkReservedPlace({ ...body, mounts: body.mounts.filter((other) => other !== mount), binds: body.binds.filter((bind) => !isOurs(bind.split(':')[0]!)) });
	return mount.source;
}

/** @param remedy beside the mount, e.g. another runtime */
export function mountMissing(self: Self, remedy?: string): BirthmarkError {
	const or = remedy === undefined ? '' : `, or ${remedy}`;
	return new BirthmarkError('mount-missing', `the container has birthmark labels, but not the volume that carries its identity; add ${mountOption(self)}${or}`);
}

/**
 * Nothing lies where the identity does, and nothing that is mounted in the container shows on the host.
 *
 * @param body without the mount of the identity itself
 * @throws BirthmarkError `mount-illegal`
 */
export function checkReservedPlace({ mounts, binds, otherTargets }: Pick<CreateBody, 'mounts' | 'binds' | 'otherTargets'>): void {
	const targets = [...mounts.map(({ target }) => target), ...binds.map((bind) => bind.split(':')[1] ?? bind), ...otherTargets];
	for (const target of targets) {
		if (!isWithin(posix.resolve('/', target), IDENTITY_DIRECTORY)) continue;
		throw new BirthmarkError(
			'mount-illegal',
			`nothing else may be mounted at or below ${IDENTITY_DIRECTORY} (here: ${quote(target)}); choose another place`,
		);
	}
	// The image may have a link at the reserved place: what is mounted there must not show anywhere else (33).
	const propagations = [...mounts.map(({ propagation }) => propagation), ...binds.flatMap((bind) => bind.split(':')[2]?.split(',') ?? [])];
	if (propagations.some((propagation) => propagation === 'shared' || propagation === 'rshared')) {
		throw new BirthmarkError('mount-illegal', 'a container with an identity cannot share what is mounted in it with the host; bind without shared and rshared');
	}
}

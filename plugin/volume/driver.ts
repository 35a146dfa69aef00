/**
 * docker.volumedriver/1.0 (moby, docs/extend/plugins_volume.md). A volume is made by the engine
 * together with its container, or by name before it; the sentinel is the plugin's own. No answer here depends on the CA,
 * except that of Mount.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { SENTINEL_VOLUME, type PluginStatus } from '#common/protocol/plugin-status.ts';
import type { Records } from '../records.ts';
import type { IdentityVolumes } from './identity-volumes.ts';
import { isVolumeName } from './volume-name.ts';

export interface VolumeDriverDeps {
	readonly records: Pick<Records, 'addVolume' | 'hasVolume' | 'identity' | 'volumes' | 'removeVolume'>;
	readonly volumes: Pick<IdentityVolumes, 'mount' | 'unmount' | 'remove' | 'isMounted'>;
	readonly path: (volume: string) => string;
	readonly status: () => PluginStatus;
}

export interface VolumeRequest {
	readonly Name?: unknown;
	readonly ID?: unknown;
	readonly Opts?: unknown;
}

export type VolumeDriver = Readonly<Record<string, (request: VolumeRequest) => Promise<object>>>;

/** Method name → handler; a thrown error becomes `Err`. */
export function createVolumeDriver({ records, volumes, path, status }: VolumeDriverDeps): VolumeDriver {
	const mountpoint = (volume: string): string => (volumes.isMounted(volume) ? path(volume) : '');
	return {
		'VolumeDriver.Capabilities': async () => ({ Capabilities: { Scope: 'local' } }),

		'VolumeDriver.Create': async (request) => {
			const name = nameOf(request);
			if (!isVolumeName(name)) throw new BirthmarkError('mount-illegal', `${quote(name)} cannot be the name of a birthmark volume; use letters, digits, "-", "_" and "."`);
			if (typeof request.Opts === 'object' && request.Opts !== null && Object.keys(request.Opts).length > 0) {
				throw new BirthmarkError('mount-illegal', 'the birthmark driver has no volume options; use labels');
			}
			if (records.identity(name)?.delivery === 'runtime') throw new BirthmarkError('mount-illegal', `${quote(name)} is the id of a container that has an identity without a volume; choose another name`);
			records.addVolume(name);
			return {};
		},

		'VolumeDriver.Get': async (request) => {
			const name = known(nameOf(request));
			return { Volume: { Name: name, Mountpoint: mountpoint(name), Status: name === SENTINEL_VOLUME ? status() : {} } };
		},

		'VolumeDriver.List': async () => ({ Volumes: records.volumes().map((name) => ({ Name: name, Mountpoint: mountpoint(name) })) }),

		'VolumeDriver.Path': async (request) => ({ Mountpoint: mountpoint(known(nameOf(request))) }),

		'VolumeDriver.Remove': async (request) => {
			const name = nameOf(request);
			// Not known is fine; what has a name like it and is no volume stays.
			if (records.hasVolume(name)) await volumes.remove(name);
			return {};
		},

		'VolumeDriver.Mount': async (request) => {
			const name = known(nameOf(request));
			if (name === SENTINEL_VOLUME) {
				throw new BirthmarkError('mount-illegal', `${SENTINEL_VOLUME} only tells about the plugin; it cannot be mounted`);
			}
			return { Mountpoint: await volumes.mount(name, idOf(request)) };
		},

		'VolumeDriver.Unmount': async (request) => {
			await volumes.unmount(nameOf(request), idOf(request));
			return {};
		},
	};

	function known(name: string): string {
		if (!records.hasVolume(name)) throw new BirthmarkError('volume-unknown', `there is no birthmark volume ${quote(name)}`);
		return name;
	}
}

function nameOf({ Name }: VolumeRequest): string {
	if (typeof Name !== 'string' || Name === '') throw new BirthmarkError('request-malformed', 'the engine named no volume');
	return Name;
}

function idOf({ ID }: VolumeRequest): string {
	if (typeof ID !== 'string' || ID === '') throw new BirthmarkError('request-malformed', 'the engine gave no id for the mount');
	return ID;
}

/** The volume driver of a stand-in: it has one volume, the sentinel, and nobody mounts that. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { GuardStatus } from '#common/protocol/plugin-upgrade.ts';
import { quote } from '#common/protocol/names.ts';
import type { Records } from '../records.ts';
import type { VolumeDriver, VolumeRequest } from '../volume/driver.ts';

export interface GuardDriverDeps {
	/** the stand-in's own */
	readonly records: Pick<Records, 'addVolume' | 'hasVolume' | 'removeVolume'>;
	/** name of its one volume; empty while that is not known */
	readonly sentinel: () => string;
	readonly status: () => GuardStatus;
}

export function createGuardDriver({ records, sentinel, status }: GuardDriverDeps): VolumeDriver {
	const refuse = async (): Promise<object> => {
		throw new BirthmarkError('upgrade-running', 'the birthmark plugin is being replaced; this stand-in has no volumes for containers');
	};
	const known = ({ Name }: VolumeRequest): string => {
		if (Name === sentinel() && records.hasVolume(Name)) return Name;
		throw new BirthmarkError('volume-unknown', `there is no volume ${quote(String(Name))} here`);
	};
	return {
		'VolumeDriver.Capabilities': async () => ({ Capabilities: { Scope: 'local' } }),
		'VolumeDriver.Create': async (request) => {
			if (request.Name !== sentinel()) return refuse();
			records.addVolume(request.Name);
			return {};
		},
		'VolumeDriver.Get': async (request) => ({ Volume: { Name: known(request), Mountpoint: '', Status: status() } }),
		'VolumeDriver.List': async () => ({ Volumes: records.hasVolume(sentinel()) ? [{ Name: sentinel(), Mountpoint: '' }] : [] }),
		'VolumeDriver.Path': async (request) => (known(request), { Mountpoint: '' }),
		'VolumeDriver.Remove': async (request) => {
			records.removeVolume(known(request));
			return {};
		},
		'VolumeDriver.Mount': refuse,
		'VolumeDriver.Unmount': async () => ({}),
	};
}

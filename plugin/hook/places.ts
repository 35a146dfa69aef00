/** Where an identity's tmpfs is for the runtime, which sees the host and not the plugin's own mounts. */

import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { NOT_PROPAGATED } from '../volume/propagation.ts';

export interface PlacesDeps {
	/** where {@link directory} is for whoever makes containers; undefined when it is not there */
	readonly place: () => Promise<string | undefined>;
	/** the plugin's propagated mount */
	readonly directory: string;
	/** where the host's file system is seen */
	readonly hostRoot: string;
	/** of a tmpfs, as the plugin sees it */
	readonly path: (volume: string) => string;
}

/** @returns a function that looks whether the very same tmpfs is where it says, and throws BirthmarkError `mount-failed` when it is not */
export function createPlaces({ place, directory, hostRoot, path }: PlacesDeps): (volume: string) => Promise<string> {
	let known: string | undefined;
	return async (volume) => {
		known ??= await place();
		const there = known === undefined ? undefined : posix.join(known, posix.relative(directory, path(volume)));
		const [ours, theirs] = await Promise.all([deviceOf(path(volume)), there === undefined ? undefined : deviceOf(hostRoot + there)]);
		if (there === undefined || ours === undefined || ours !== theirs) {
			known = undefined;
			throw new BirthmarkError('mount-failed', NOT_PROPAGATED);
		}
		return there;
	};
}

/** Each tmpfs has a device number of its own. */
function deviceOf(path: string): Promise<bigint | undefined> {
	return stat(path, { bigint: true }).then(({ dev }) => dev, () => undefined);
}

/**
 * What the plugin writes onto the volumes of containers that run. Each volume is written under its lock: what
 * is written after an unmount would lie on the disk. A start may hold that lock for as long as the engine waits,
 * so nobody who writes to many waits for all of them, and only the newest list waits with it.
 */

import type { NodeDemands } from '#common/protocol/renewal-demands.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { KeyedLock } from './keyed-lock.ts';
import { writeVolumeFile } from './volume-files.ts';

export interface NoticesDeps {
	readonly lock: KeyedLock;
	readonly isMounted: (volume: string) => boolean;
	/** where a volume is mounted */
	readonly path: (volume: string) => string;
	readonly logger: Pick<Logger, 'debug' | 'warn'>;
}

/** Each resolves when it is written or cannot be, and never rejects: a full or spoilt volume is its container's own loss. */
export interface Notices {
	revocationList(volumes: Iterable<string>, text: string): Promise<void>;
	/** Which certificate is to be renewed now; an agent that cannot be told hears of it from the CA. */
	renewal(volume: string, demand: NodeDemands['demands'][number]): Promise<void>;
}

export function createNotices({ lock, isMounted, path, logger }: NoticesDeps): Notices {
	let newest = '';
	const waiting = new Map<string, Promise<void>>();
	const write = (volume: string, name: string, text: () => string): Promise<void> =>
		lock(volume, async () => {
			if (isMounted(volume)) await writeVolumeFile(path(volume), name, text(), 0o444);
		});

	function writeNewest(volume: string): Promise<void> {
		const text = (): string => {
			// Another one from here on has to be written after this one.
			waiting.delete(volume);
			return newest;
		};
		return write(volume, VolumeFile.revocationList, text)
			.catch((error: unknown) => logger.debug('the revocation list could not be written', { volume, error }))
			.finally(() => waiting.delete(volume));
	}

	return {
		async revocationList(volumes, text) {
			newest = text;
			await Promise.all([...volumes].map((volume) => {
				const writing = waiting.get(volume) ?? writeNewest(volume);
				waiting.set(volume, writing);
				return writing;
			}));
		},
		renewal: (volume, { authorizationId, serial }) =>
			write(volume, VolumeFile.rotate, () => `${serial}\n`)
				.catch((error: unknown) => logger.warn('an agent could not be told to renew', { volume, authorizationId, serial, error })),
	};
}

/** Notices that another identity was published: by this process, which says so, or by another one in the container. */

import { watch } from 'node:fs';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Identity } from './identity.ts';
import { readIdentity } from './store.ts';

export interface Publications {
	/** Something may have been published just now. */
	look(): void;
	/** what is published, and a signal that is aborted as soon as it is another certificate or trust bundle */
	current(): { readonly identity: Identity | undefined; readonly superseded: AbortSignal };
	close(): void;
}

/** Never throws: where the directory cannot be watched, what this process publishes is noticed all the same. */
export function watchPublications(directory: string, logger: Pick<Logger, 'info'>): Publications {
	let identity = published(directory);
	let superseded = new AbortController();
	const look = (): void => {
		const now = published(directory);
		if (!now || (identity && now.chain === identity.chain && now.bundle.equals(identity.bundle))) return;
		const before = superseded;
		identity = now;
		superseded = new AbortController();
		before.abort();
	};
	const failed = (error: unknown): void => logger.info('what other processes publish here is noticed late', { path: directory, error });
	let watcher: ReturnType<typeof watch> | undefined;
	try {
		// Each publication puts this link in the place of the one before.
		watcher = watch(directory, { persistent: false }, (_event, name) => {
			if (name === VolumeFile.current) look();
		}).on('error', failed);
	} catch (error) {
		failed(error);
	}
	return { look, current: () => ({ identity, superseded: superseded.signal }), close: () => watcher?.close() };
}

function published(directory: string): Identity | undefined {
	try {
		return readIdentity(directory);
	} catch {
		return undefined; // renewal says what is wrong with it
	}
}

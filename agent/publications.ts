/**
 * Notices that another identity was published: by this process, which says so, or by another one in the
 * container, of which the kernel tells.
 */

import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Identity } from './identity.ts';
import { noticeRenames } from './rename-notice.ts';
import { readIdentity } from './store.ts';

export interface Publications {
	/** Something may have been published just now. */
	look(): void;
	/** what is published, and a signal that is aborted as soon as it is another certificate or trust bundle */
	current(): { readonly identity: Identity | undefined; readonly superseded: AbortSignal };
	close(): void;
}

/** Never throws: without notice, what this process publishes is noticed all the same. */
export function watchPublications(directory: string, logger: Pick<Logger, 'info'>, notice: typeof noticeRenames = noticeRenames): Publications {
	let generation = generationOf(directory);
	let identity = published(directory);
	let superseded = new AbortController();
	const look = (): void => {
		const now = generationOf(directory);
		if (now === generation) return;
		const next = published(directory);
		if (!next) return;
		generation = now;
		if (identity && next.chain === identity.chain && next.bundle.equals(identity.bundle)) return;
		const before = superseded;
		identity = next;
		superseded = new AbortController();
		before.abort();
	};
	let end: (() => void) | undefined;
	try {
		end = notice(directory, look);
	} catch (error) {
		logger.info('what other processes publish here is noticed late', { path: directory, error });
	}
	return { look, current: () => ({ identity, superseded: superseded.signal }), close: () => end?.() };
}

/** Each publication has its own: no need to read it to know that it is the same. */
function generationOf(directory: string): string | undefined {
	try {
		return readlinkSync(join(directory, VolumeFile.current));
	} catch {
		return undefined;
	}
}

function published(directory: string): Identity | undefined {
	try {
		return readIdentity(directory);
	} catch {
		return undefined; // renewal says what is wrong with it
	}
}

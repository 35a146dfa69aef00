/**
 * Renewal on demand: who operates the CA asks for it, and the plugin writes into the identity directory
 * which certificate is to be replaced now. The directory is watched (inotify(7)), so that waiting for
 * it costs no wake-up.
 */

import { lstatSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Logger } from '#common/runtime/log.ts';

/** A serial number and a line's end (RFC 5280 §4.1.2.2 allows 40 digits). */
const MAX_FILE_BYTES = 64;

export interface Demands {
	/** @returns true, once for each demand, when this is the certificate that is to be replaced */
	take(serial: string): boolean;
	/** aborted with the next demand, whichever certificate it is about */
	next(): AbortSignal;
	close(): void;
}

/** What was demanded before, and not obeyed, counts as demanded now. Never throws: without it renewal goes on by the clock. */
export function watchDemands(directory: string, logger: Pick<Logger, 'warn'>): Demands {
	let demanded = readDemand(directory);
	let waiting = new AbortController();
	const failed = (error: unknown): void => logger.warn('nobody will be able to demand a renewal here', { path: directory, error });
	const onChange = (_event: string, name: string | null): void => {
		if (name !== VolumeFile.rotate) return;
		demanded = readDemand(directory);
		waiting.abort();
		waiting = new AbortController();
	};
	let watcher: ReturnType<typeof watch> | undefined;
	try {
		// Not the file itself, which is replaced by another one each time.
		watcher = watch(directory, { persistent: false }, onChange).on('error', failed);
		demanded = readDemand(directory);
	} catch (error) {
		failed(error);
	}
	return {
		take(serial) {
			if (demanded !== serial) return false;
			demanded = undefined;
			return true;
		},
		next: () => waiting.signal,
		close: () => watcher?.close(),
	};
}

/** @returns a serial number; undefined when there is no demand, or something else in its place */
function readDemand(directory: string): string | undefined {
	const path = join(directory, VolumeFile.rotate);
	try {
		const status = lstatSync(path);
		if (!status.isFile() || status.size > MAX_FILE_BYTES) return undefined;
		return readFileSync(path, 'latin1').trim();
	} catch {
		return undefined;
	}
}

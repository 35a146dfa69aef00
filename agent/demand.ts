/**
 * Renewal on demand: who operates the CA asks for it, and the plugin writes into the identity directory
 * which certificate is to be replaced now. The kernel tells when something was put there, so that waiting
 * costs no wake-up; where it does not, whoever wakes anyway looks.
 */

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Logger } from '#common/runtime/log.ts';
import { readOrdinaryFile } from './held-directory.ts';
import { noticeRenames } from './rename-notice.ts';

/** A serial number and a line's end (RFC 5280 §4.1.2.2 allows 40 digits). */
const MAX_FILE_BYTES = 64;
/** Whoever can write here can demand: so often at most, whatever comes of it. */
const REST_MS = 1_000;

export interface Demands {
	/**
	 * @param isInUse whether it is about the certificate of this serial number; asked once for each demand that is new
	 * @returns true, once for each demand, when it is; the next one counts a second later
	 */
	take(isInUse: (serial: string) => boolean): boolean;
	/** aborted when there may be one */
	next(): AbortSignal;
	close(): void;
}

/** What was demanded before, and not obeyed, counts as demanded now. Never throws: without notice a demand is found a little later. */
export function watchDemands(directory: string, logger: Pick<Logger, 'info'>, notice: typeof noticeRenames = noticeRenames, restMs = REST_MS): Demands {
	const path = join(directory, VolumeFile.rotate);
	let waiting = new AbortController();
	let isClosed = false;
	let end: (() => void) | undefined;
	/** which file was looked into */
	let taken: string | undefined;
	let rest: NodeJS.Timeout | undefined;
	const wake = (): void => {
		// The agent's own publications are renames as well.
		if (isClosed || rest) return;
		const found = look();
		if (!found || found.file === taken) return;
		waiting.abort();
		waiting = new AbortController();
	};
	const look = (): { readonly file: string; readonly serial: string } | undefined => {
		try {
			const status = lstatSync(path, { bigint: true });
			return { file: `${status.ino} ${status.ctimeNs}`, serial: readOrdinaryFile(path, MAX_FILE_BYTES).toString('latin1').trim() };
		} catch {
			return undefined;
		}
	};
	try {
		end = notice(directory, wake);
	} catch (error) {
		logger.info('demands for a renewal will be found a little later', { path: directory, error });
	}
	return {
		take(isInUse) {
			const found = rest ? undefined : look();
			if (!found || found.file === taken) return false;
			taken = found.file;
			if (!isInUse(found.serial)) return false;
			rest = setTimeout(() => {
				rest = undefined;
				wake();
			}, restMs);
			return true;
		},
		next: () => waiting.signal,
		close() {
			isClosed = true;
			clearTimeout(rest);
			end?.();
		},
	};
}

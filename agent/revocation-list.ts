/**
 * The revocation list on the volume, and which one the application has. Servers read `crl.pem` with their
 * certificate and keep it until they are told to reload: whoever was revoked since gets in, and when the list
 * that they have ends they refuse everybody. Here it is found out when a reload does them good: somebody else is
 * revoked, or a third of the life of the list that they have is over and there is a newer one.
 */

import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Logger } from '#common/runtime/log.ts';
import { decodeRevocationLists } from '#common/x509/crl-decode.ts';
import { readOrdinaryFile } from './held-directory.ts';
import { noticeRenames } from './rename-notice.ts';
import { untilAborted, type Sleep } from './sleep.ts';

export interface RevocationListDeps {
	readonly sleep: Sleep;
	/** 0 ≤ x < 1 */
	readonly random: () => number;
	/** milliseconds that only grow */
	readonly now: () => number;
	readonly logger: Pick<Logger, 'info'>;
	readonly notice?: typeof noticeRenames;
}

export interface ApplicationList {
	/** Another one may have been put in place just now. */
	look(): void;
	/** Resolves when the application would do well to read the list again, now and then at most. @throws the signal's reason */
	due(signal: AbortSignal): Promise<void>;
	/** The application is told right after this: it will have what is there now. */
	reading(): void;
	close(): void;
}

/** What is to be known of the lists in a file. */
interface Facts {
	/** a digest: who is revoked */
	readonly entries: string;
	/** when the newest of them was made, and from which date on a newer one is to take their place; of the CA's clock */
	readonly made: number;
	readonly renewFrom: number;
}

/** As large as the whole directory can be. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** Reading takes five times as much memory for a moment, and a container may have no more than 32 MB, all in all. */
const MAX_READ_BYTES = 1024 * 1024;
/** So that not all containers of a host reload in the same moment; those who are revoked together cost one reload. */
const SPREAD_MS = 2_000;
/** Between two reloads; more and more where revocations do not end, which they have after two minutes without one. */
const FIRST_REST_MS = 10_000;
const LONGEST_REST_MS = 60_000;
const CALM_MS = 120_000;
/** The CA makes new lists long before; a CA that is away for the rest of it is not noticed. */
const PART_OF_LIFE = 1 / 3;

/** Begins with the list that is there, which is to be before the application reads it. Never throws. */
export function followRevocationList(directory: string, { sleep, random, now, logger, notice = noticeRenames }: RevocationListDeps): ApplicationList {
	const path = join(directory, VolumeFile.revocationList);
	let seen: string | undefined;
	let known: Facts | undefined;
	let changed = new AbortController();
	let restMs = FIRST_REST_MS;
	let restUntil = now() + restMs;
	let lastDue = -Infinity;
	const newest = (): Facts | undefined => {
		const file = fileAt(path);
		if (file !== undefined && file !== seen) {
			known = factsAt(path) ?? known;
			seen = file;
		}
		return known;
	};
	let has = newest();
	let noticed = seen;
	const look = (): void => {
		const file = fileAt(path);
		if (file === undefined || file === noticed) return;
		noticed = file;
		const before = changed;
		changed = new AbortController();
		before.abort();
	};
	let end: (() => void) | undefined;
	try {
		end = notice(directory, look);
	} catch (error) {
		logger.info('another revocation list is noticed late', { path: directory, error });
	}
	return {
		look,
		async due(signal) {
			for (;;) {
				if (now() < restUntil) await sleep(restUntil - now(), signal);
				const next = changed.signal;
				if (isStale(has, newest())) {
					const isCalm = now() - lastDue >= CALM_MS;
					restMs = isCalm ? FIRST_REST_MS : Math.min(restMs * 2, LONGEST_REST_MS);
					lastDue = now();
					restUntil = lastDue + restMs;
					return;
				}
				await untilAborted(AbortSignal.any([next, signal]));
				await sleep(random() * SPREAD_MS, signal);
			}
		},
		reading() {
			has = newest();
			restUntil = Math.max(restUntil, now() + FIRST_REST_MS);
		},
		close: () => end?.(),
	};
}

function isStale(has: Facts | undefined, newest: Facts | undefined): boolean {
	if (newest === undefined || newest === has) return false;
	return has === undefined || newest.entries !== has.entries || newest.made >= has.renewFrom;
}

/** What was put in place anew is another file. */
function fileAt(path: string): string | undefined {
	try {
		const { ino, ctimeNs } = lstatSync(path, { bigint: true });
		return `${ino} ${ctimeNs}`;
	} catch {
		return undefined;
	}
}

/** Of something that is no list, or a very long one, only that it is another; undefined when it cannot be read. */
function factsAt(path: string): Facts | undefined {
	let file: Buffer;
	try {
		file = readOrdinaryFile(path, MAX_FILE_BYTES);
	} catch {
		return undefined;
	}
	const unread = (): Facts => ({ entries: digest(file), made: 0, renewFrom: Infinity });
	if (file.length > MAX_READ_BYTES) return unread();
	try {
		const lists = decodeRevocationLists(file.toString('latin1'));
		const ends = lists.map(({ thisUpdate, nextUpdate }) => thisUpdate.getTime() + ((nextUpdate?.getTime() ?? Infinity) - thisUpdate.getTime()) * PART_OF_LIFE);
		return { entries: lists.map(({ entries }) => digest(entries)).join(), made: Math.max(...lists.map(({ thisUpdate }) => thisUpdate.getTime())), renewFrom: Math.min(...ends) };
	} catch {
		return unread();
	}
}

function digest(data: Buffer): string {
	return createHash('sha256').update(data).digest('base64');
}

/**
 * One command at a time changes the daemon.json of an engine: each puts back what it found, and would put
 * back what another one is in the middle of.
 */

import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { tryLock } from '#common/runtime/lock.ts';

/** Of root's, gone with the next boot, and not beside a file that belongs to somebody else. */
const DIRECTORY = '/run';

/** @returns the file that the lock of this daemon.json is on; it is empty, and stays when nobody holds the lock */
export function setupLock(daemonJson: string, directory = DIRECTORY): string {
	const path = existsSync(daemonJson) ? realpathSync(daemonJson) : resolve(daemonJson);
	return join(directory, `birthmark-setup-${createHash('sha256').update(path).digest('hex').slice(0, 16)}.lock`);
}

/** @returns what `work` does @throws BirthmarkError `setup-failed` while another command is at it */
export async function whileLocked<T>(daemonJson: string, work: () => Promise<T>, directory = DIRECTORY): Promise<T> {
	const lock = tryLock(setupLock(daemonJson, directory));
	if (!lock) throw new BirthmarkError('setup-failed', `another birthmark command is changing ${daemonJson}; nothing was changed: call this one again when that is done`);
	try {
		return await work();
	} finally {
		lock.release();
	}
}

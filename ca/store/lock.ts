/**
 * One process per state folder: a second one on the same database would go on publishing a
 * revocation list that lacks what the first has revoked since. The database stays open to backups.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { tryLock, type Lock } from '#common/runtime/lock.ts';

/** @throws BirthmarkError `ca-exists` while another process holds it */
export function holdLock(path: string): Lock {
	const lock = tryLock(path);
	if (!lock) throw new BirthmarkError('ca-exists', `another process serves this CA already and holds ${path}: stop it first`);
	return lock;
}

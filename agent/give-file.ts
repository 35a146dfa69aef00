/** Files for another user than the agent, who may be root without the powers of root. */

import { fchownSync, fstatSync } from 'node:fs';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { isForGroup, type FileOwner } from '#common/protocol/publication.ts';

const FOR_ALL = 0o004;

/**
 * Gives an open file, whose mode is set, to its owner. Without the capability CHOWN it is enough that the
 * file's group is the right one, as the directory sees to it, when the mode is for the group; that only the
 * group differs, when it is not; and that everybody may read it.
 *
 * @throws BirthmarkError `directory-unusable` when the owner could not read it
 */
export function giveTo({ uid, gid }: FileOwner, file: number): void {
	const status = fstatSync(file);
	if (status.uid === uid && status.gid === gid) return;
	try {
		fchownSync(file, uid, gid);
	} catch (cause) {
		const isReadable = (status.mode & FOR_ALL) !== 0 || (isForGroup(status.mode) ? status.gid === gid : status.uid === uid);
		if (isReadable) return;
		throw new BirthmarkError(
			'directory-unusable',
			`the files cannot be given to the user ${uid} and the group ${gid}: keep the capability CHOWN, or let the group read the keys (labels birthmark.gid and birthmark.key-mode=0640)`,
			{ cause },
		);
	}
}

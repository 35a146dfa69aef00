/** The user that a container runs as, hence the owner of its identity directory. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';

export interface Owner {
	readonly uid: number;
	readonly gid: number;
}

/**
 * The engine's `USER` grammar, `user[:group]` (moby, oci WithUser), as far as it can be read without
 * the image's /etc/passwd: numbers, `root` and nothing. A uid without a group gets gid 0, as the
 * engine does for one that the image's /etc/passwd does not know.
 *
 * @throws BirthmarkError `label-missing` for any other name, with the remedy
 */
export function parseContainerUser(user: string): Owner {
	const [name = '', group = ''] = user.split(':');
	return { uid: number(user, name), gid: number(user, group) };
}

function number(user: string, part: string): number {
	if (part === '' || part === 'root') return 0;
	if (/^[0-9]{1,9}$/.test(part)) return Number(part);
	throw new BirthmarkError(
		'label-missing',
		`the container runs as ${quote(user)}, and only the image knows the number of that user; ` +
			'add the labels birthmark.uid=UID and birthmark.gid=GID, or run it with --user UID:GID',
	);
}

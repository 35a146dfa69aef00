/**
 * What makes the agent harmless on the node: it runs beside a container, as that container's user, on a
 * directory that the container may write to. Links that are put there must lead nowhere else, so the directory
 * becomes the root of everything that this process can name (chroot(2)). And it has no capability, also as root,
 * which it has given up before its runtime began (start/confine.c).
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { loadNative } from './native.ts';

export interface Ids {
	readonly uid: number;
	readonly gid: number;
}

/**
 * Confines this process to its working directory, for good. To be called before anything else is read there.
 *
 * @throws BirthmarkError `directory-unusable`; then nothing must be done
 */
export function confineToWorkingDirectory({ uid, gid }: Ids): void {
	const native = loadNative();
	if (native === undefined) throw unusable('only the compiled agent can confine itself');
	try {
		native.confine();
	} catch (cause) {
		throw unusable(cause instanceof Error && 'code' in cause ? `${String(cause.code)}: ${cause.message}` : String(cause));
	}
	process.chdir('/');
	if (process.getuid!() !== uid || process.geteuid!() !== uid || process.getegid!() !== gid) throw unusable('the user is another one still');
}

function unusable(why: string): BirthmarkError {
	return new BirthmarkError('directory-unusable', `the agent could not be confined to the identity directory (${why}): the plugin runs it as root`);
}

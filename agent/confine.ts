/**
 * What makes the agent harmless on the node: it runs beside a container, as that container's user, on a
 * directory that the container may write to. Links that are put there must lead nowhere else, so the
 * directory becomes the root of everything that this process can name (chroot(2)); then it gives up
 * being root, unless the container's user is root, too.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';

export interface Ids {
	readonly uid: number;
	readonly gid: number;
}

/** prctl(2): no program that this process starts gets more rights than it has. It starts none. */
const PR_SET_NO_NEW_PRIVS = 38;

/**
 * Confines this process to its working directory, for good. To be called before anything else is read there.
 *
 * @throws BirthmarkError `directory-unusable`; then nothing must be done
 */
export async function confineToWorkingDirectory({ uid, gid }: Ids): Promise<void> {
	if (process.versions['bun'] === undefined) throw unusable('only the compiled agent can confine itself');
	const { dlopen, FFIType, ptr } = await import('bun:ffi');
	const { i32, u32, u64 } = FFIType;
	const { symbols } = dlopen('libc.so.6', {
		chroot: { args: [FFIType.ptr], returns: i32 },
		setgroups: { args: [u64, u64], returns: i32 },
		setgid: { args: [u32], returns: i32 },
		setuid: { args: [u32], returns: i32 },
		prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
	});
	const require = (what: string, result: number): void => {
		if (result !== 0) throw unusable(`${what} failed`);
	};
	require('chroot', symbols.chroot(ptr(Buffer.from('.\0'))));
	process.chdir('/');
	require('prctl', symbols.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	// Of the C library, which changes all threads of the process (nptl(7)).
	require('setgroups', symbols.setgroups(0, 0));
	require('setgid', symbols.setgid(gid));
	require('setuid', symbols.setuid(uid));
	if (process.getuid!() !== uid || process.geteuid!() !== uid || process.getegid!() !== gid) throw unusable('the user is another one still');
}

function unusable(why: string): BirthmarkError {
	return new BirthmarkError('directory-unusable', `the agent could not be confined to the identity directory (${why}): the plugin runs it as root`);
}

/**
 * The duty of PID 1: orphans of the application become the agent's children and stay zombies unless
 * somebody waits for them.
 *
 * What the agent has started itself, the application above all, must be left to the runtime, which waits
 * for each by its id to learn the exit code. So each waitable child is looked at first (waitid with
 * WNOWAIT) and reaped only when it is another one.
 */

// waitid(2), wait.h
const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
/** `si_pid` in siginfo_t: three ints and, on 64-bit systems, four bytes of padding come first. */
const SI_PID_INDEX = 4;
const SIGINFO_INTS = 32;

/**
 * Reaps orphans at every SIGCHLD. Does nothing when the process is not PID 1, or runs under Node,
 * which cannot wait for processes that it did not start.
 *
 * @param isOurs children that are not to be touched
 * @returns a function that looks again: to be called when one of those has ended, behind which others may have waited
 */
export async function reapOrphans(isOurs: (pid: number) => boolean): Promise<() => void> {
	if (process.pid !== 1 || process.versions['bun'] === undefined) return () => {};
	const { dlopen, FFIType, ptr } = await import('bun:ffi');
	const { symbols } = dlopen('libc.so.6', {
		waitid: { args: [FFIType.i32, FFIType.u32, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
		waitpid: { args: [FFIType.i32, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
	});
	const info = new Int32Array(SIGINFO_INTS);
	const status = new Int32Array(1);
	const reap = () => {
		for (;;) {
			info.fill(0);
			if (symbols.waitid(P_ALL, 0, ptr(info), WEXITED | WNOHANG | WNOWAIT) !== 0) return;
			const pid = info[SI_PID_INDEX]!;
			// 0: nobody is waitable. One of ours: it hides those behind it for as long as the runtime has not waited for it.
			if (pid === 0 || isOurs(pid)) return;
			symbols.waitpid(pid, ptr(status), WNOHANG);
		}
	};
	process.on('SIGCHLD', reap);
	reap();
	return reap;
}

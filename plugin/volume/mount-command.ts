/** mount(8) and umount(8) of util-linux, run as processes: Node has no call for mount(2). */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const LIMITS = { timeout: 10_000, env: { LC_ALL: 'C' } };

/** @throws Error with what the command said */
export async function mount(...args: string[]): Promise<void> {
	await run('/bin/mount', args, LIMITS);
}

/**
 * Binds onto a directory whose parent belongs to somebody hostile: whatever the name becomes
 * meanwhile, the mount goes onto the directory that was opened.
 *
 * @throws Error when `target` is no directory, a link to one included
 */
export async function bindOnto(source: string, target: string): Promise<void> {
	const directory = await open(target, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
	try {
		const stdio = ['ignore', 'ignore', 'ignore', directory.fd] as const;
		const child = spawn('/bin/mount', ['--no-canonicalize', '--bind', source, '/proc/self/fd/3'], { ...LIMITS, stdio: [...stdio] });
		const [code] = await once(child, 'exit');
		if (code !== 0) throw new Error(`mount failed with exit code ${code}`);
	} finally {
		await directory.close();
	}
}

/** Unmounts a directory and what is mounted in it; lazily when it is in use. Not being mounted is fine. */
export async function unmount(directory: string): Promise<void> {
	// More than one mount can lie on the same place, e.g. after a crash in the middle of mounting.
	while ((await mountPoints()).includes(directory)) {
		await run('/bin/umount', ['--recursive', directory], LIMITS).catch(() => run('/bin/umount', ['--recursive', '--lazy', directory], LIMITS));
	}
}

/** Every mount point that this process sees (proc_pid_mountinfo(5), field 5). */
export async function mountPoints(): Promise<string[]> {
	const table = await readFile('/proc/self/mountinfo', 'utf8');
	return table.split('\n').flatMap((line) => line.split(' ')[4] ?? []).map(unescape);
}

/** Blanks and backslashes stand there as octal escapes. */
function unescape(path: string): string {
	return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

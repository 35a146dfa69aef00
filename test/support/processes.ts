/** Finding the processes of the tests' own engine. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { toolEnvironment } from '../../scripts/packages.ts';
import { TOOLS, type EnginePaths } from '../../scripts/paths.ts';
import { commandLine, originOf, processes } from '../../scripts/processes.ts';

/**
 * The plugin's process on the host.
 *
 * @returns its pid; 0 when it is not there and may be missing
 */
export function pluginProcess(paths: EnginePaths, { mayBeMissing = false } = {}): number {
	// Its mounts tell whose it is: other engines may run the same plugin.
	const ours = `${paths.data.replaceAll(' ', '\\040')}/plugins/`;
	const pid = originOf(processes().filter((pid) => commandLine(pid)[1] === '/app/plugin.mjs' && mountsIn(pid).includes(ours)));
	if (pid === undefined && !mayBeMissing) throw new Error('the plugin is not running');
	return pid ?? 0;
}

function mountsIn(pid: number): string {
	try {
		return readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
	} catch {
		return ''; // ended in between
	}
}

/** How many bytes and connections wait at the unix sockets of a process: of one that was stopped, what others have asked it since. */
export function waitingAt(pid: number): number {
	const inodes = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => socketInode(`/proc/${pid}/fd/${fd}`)));
	// Netid, State, Recv-Q, Send-Q, address and inode of this end, then those of the other
	const lines = execFileSync('ss', ['-xaH'], { encoding: 'utf8', env: { ...process.env, ...toolEnvironment(TOOLS) } }).split('\n').map((line) => line.split(/\s+/));
	return lines.filter(([, , , , , inode]) => inode !== undefined && inodes.has(inode)).reduce((sum, fields) => sum + Number(fields[2]), 0);
}

function socketInode(path: string): string | undefined {
	try {
		return /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1];
	} catch {
		return undefined; // closed in between
	}
}

/** Lines of this machine's mount table in which a volume occurs. */
export function mountsOf(volume: string): string[] {
	return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(volume));
}

/** Memory of a process that is in use now (proc_pid_status(5), VmRSS). */
export function residentBytes(pid: number): number {
	return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

/** How many file descriptors a process has open. */
export function openFiles(pid: number): number {
	return readdirSync(`/proc/${pid}/fd`).length;
}

/** Finding the processes of the tests' own engine. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { toolEnvironment } from '../../scripts/packages.ts';
import { TOOLS, type EnginePaths } from '../../scripts/paths.ts';

/**
 * The plugin's process on the host.
 *
 * @returns its pid; 0 when it is not there and may be missing
 */
export function pluginProcess(paths: EnginePaths, { mayBeMissing = false } = {}): number {
	for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
		try {
			const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
			if (command[1] !== '/app/plugin.mjs') continue;
			// Its mounts tell whose it is: other engines may run the same plugin.
			if (readFileSync(`/proc/${entry}/mountinfo`, 'utf8').includes(`${paths.data.replaceAll(' ', '\\040')}/plugins/`)) return Number(entry);
		} catch {
			// ended in between
		}
	}
	if (mayBeMissing) return 0;
	throw new Error('the plugin is not running');
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

/** Processes of this machine, as proc(5) shows them. */

import { readdirSync, readFileSync } from 'node:fs';

export function processes(): number[] {
	return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
}

/** The program and its arguments; empty for a process that has ended. */
export function commandLine(pid: number): string[] {
	return read(pid, 'cmdline').split('\0');
}

/** A zombie is not. */
export function isAlive(pid: number): boolean {
	return /^State:\s+[^ZX]/m.test(read(pid, 'status'));
}

/**
 * Of processes that look alike, the one that is alive and no child of another: between fork and exec a child
 * has the command line of its parent, and its number may be the lower one.
 */
export function originOf(pids: readonly number[]): number | undefined {
	return pids.find((pid) => isAlive(pid) && !pids.includes(Number(/^PPid:\s+(\d+)$/m.exec(read(pid, 'status'))?.[1] ?? pid)));
}

function read(pid: number, file: string): string {
	try {
		return readFileSync(`/proc/${pid}/${file}`, 'utf8');
	} catch {
		return ''; // ended in between
	}
}

/** Finding the processes of the tests' own engine. */

import { readdirSync, readFileSync } from 'node:fs';
import type { EnginePaths } from '../../scripts/paths.ts';

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

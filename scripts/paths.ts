/** Where the scripts keep things. All of it is below the project, except one short link in /run. */

import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
/** Build results; `make clean` removes them. */
export const BUILD = join(PROJECT, 'build');
/** Packages of the distribution, unpacked beside the machine's own; survives `make down`, not `make clean`. */
export const TOOLS = join(BUILD, 'tools');
/** Engines of other suites, each in a folder of its own. */
export const ENGINES = join(BUILD, 'engines');

export interface EnginePaths {
	readonly state: string;
	readonly data: string;
	/** runtime directory: socket, pid file, exec root; a shared mount, so that the plugin's mounts reach the host */
	readonly run: string;
	/** the same directory by a short name: a unix socket's path has at most 107 characters, and the engine
	 * puts `/plugins/<64 digits>/birthmark.sock` behind this one */
	readonly shortRun: string;
	readonly socket: string;
	readonly pidFile: string;
	readonly daemonJson: string;
	readonly log: string;
	readonly bridge: string;
	readonly host: string;
}

/** @param state the state directory; `.birthmark` of the project for the demo, a temporary one for tests */
export function enginePaths(state: string): EnginePaths {
	const root = resolve(state);
	const id = createHash('sha256').update(root).digest('hex').slice(0, 6);
	const shortRun = `/run/bmk-${id}`;
	return {
		state: root,
		data: join(root, 'data'),
		run: join(root, 'run'),
		shortRun,
		socket: join(shortRun, 'docker.sock'),
		pidFile: join(root, 'run', 'docker.pid'),
		daemonJson: join(root, 'daemon.json'),
		log: join(root, 'logs', 'engine.log'),
		bridge: `bmk-${id}`,
		host: `unix://${shortRun}/docker.sock`,
	};
}

export const DEMO_STATE = join(PROJECT, '.birthmark');

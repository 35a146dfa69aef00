/**
 * The authorization chain that an engine is to read. It exits when that names a plugin which is not there or not
 * enabled (moby, cmd/dockerd/daemon.go, `reloadConfig`), so this is found out before it gets its signal.
 */

import { existsSync } from 'node:fs';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';

export interface ChainPlugin {
	/** with its tag, as the engine prints it */
	readonly name: string;
	readonly enabled: boolean;
}

/** Where plugins outside the engine's management are looked for (moby, pkg/plugins/discovery.go). */
const UNMANAGED = ['/run/docker/plugins/NAME.sock', '/etc/docker/plugins/NAME.spec', '/etc/docker/plugins/NAME.json', '/usr/lib/docker/plugins/NAME.spec', '/usr/lib/docker/plugins/NAME.json'];

/** @param plugins those that the engine manages @throws BirthmarkError `setup-failed` */
export function checkChain(chain: readonly string[], plugins: readonly ChainPlugin[], isThere: (path: string) => boolean = existsSync): void {
	for (const name of chain) {
		const plugin = plugins.find((installed) => isNamed(installed.name, name));
		if (plugin?.enabled || (!plugin && UNMANAGED.some((path) => isThere(path.replace('NAME', name))))) continue;
		throw new BirthmarkError('setup-failed', `the engine would exit: its authorization chain names the plugin ${quote(name)}, which is ${plugin ? 'disabled' : 'not installed'}; ${plugin ? 'enable it' : 'install it, or take the name out of daemon.json,'} first`);
	}
}

/** @param installed with its tag, as the engine prints it */
export function isNamed(installed: string, name: string): boolean {
	return installed === name || installed === `${name}:latest`;
}

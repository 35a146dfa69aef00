/** Facts that can be written in several ways are told to rules in one: as the engine takes them. */

import { posix } from 'node:path';

/** Without its group; `root` for none and for what the engine takes for 0: `0`, `+0`, `00`. */
export function userFact(user: string): string {
	const name = user.split(':')[0]!;
	return name === '' || /^[+-]?0+$/.test(name) ? 'root' : name;
}

/** `NET_ADMIN`, also for `cap_net_admin`. */
export function capabilityFact(name: string): string {
	return name.toUpperCase().replace(/^(?:CAP_)+/, '');
}

/** `/etc`, also for `//etc/.`, which the engine binds as well; links are what they are. */
export function pathFact(path: string): string {
	return posix.resolve('/', path);
}

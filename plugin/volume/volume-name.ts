/** Names of volumes: those that the engine invents for volumes without one, and those of people. */

const ANONYMOUS = /^[0-9a-f]{64}$/;
/** What the engine accepts for volumes of its own (moby, volume/local), but no longer: a socket below it has a path of at most 107 bytes. */
const NAMED = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}$/;

/** A volume of one container, removed with it. */
export function isAnonymousVolume(name: string): boolean {
	return ANONYMOUS.test(name);
}

/** A name that is one path segment, never `.` or `..`: it becomes a directory. */
export function isVolumeName(name: string): boolean {
	return NAMED.test(name);
}

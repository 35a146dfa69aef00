/** A directory on a real tmpfs, as the identity volume is one. */

import { mkdtempSync, rmSync } from 'node:fs';

/** Removed at the end of the test. `/dev/shm` is a tmpfs on every Linux system and in every container. */
export function tmpfsDirectory(t: { teardown(remove: () => void): void }): string {
	const directory = mkdtempSync('/dev/shm/birthmark-test-');
	t.teardown(() => rmSync(directory, { recursive: true, force: true }));
	return directory;
}

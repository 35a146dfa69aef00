/**
 * How an engine is started whose containers are in a user namespace (`userns-remap`). It reads which ids
 * are theirs in /etc/subuid and /etc/subgid and nowhere else (subuid(5)): it sees others there than the
 * machine has, in a mount namespace of its own.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installRuntime } from '../../scripts/engine-runtime.ts';
import type { EnginePaths } from '../../scripts/paths.ts';
import type { StartOptions } from '../../scripts/private-engine.ts';

/** On the host the ids of containers begin here; far apart, so that neither is taken for the other. */
export const REMAPPED = { uid: 300_000, gid: 500_000, count: 10_000 } as const;

/** Every machine has this user and group: nobody. */
const NOBODY = 65_534;
/** Only what is mounted on the root is kept from the other namespaces: what the plugin mounts below the run directory reaches the host. */
const ENTER = 'mount --make-private /; mount --bind "$1" /etc/subuid; mount --bind "$2" /etc/subgid; shift 2; exec "$@"';

/** With birthmark-runtime for it, which looks into the data root that such an engine has. */
export async function prepareRemappedEngine(paths: EnginePaths): Promise<StartOptions> {
	const files = (['uid', 'gid'] as const).map((kind) => {
		const path = join(paths.state, `sub${kind}`);
		writeFileSync(path, `${NOBODY}:${REMAPPED[kind]}:${REMAPPED.count}\n`);
		return path;
	});
	const settings = await installRuntime(paths, { dataRoot: join(paths.data, `${REMAPPED.uid}.${REMAPPED.gid}`) });
	return {
		settings: { ...settings, 'userns-remap': `${NOBODY}:${NOBODY}` },
		enter: ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-ec', ENTER, 'sh', ...files],
	};
}

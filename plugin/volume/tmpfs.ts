/**
 * The tmpfs of each identity, and where it is mounted.
 *
 * Twice: first below the host's run directory, where it outlives the plugin, then below the plugin's
 * own data directory, which is what the engine bind-mounts into the container. `docker plugin
 * disable` unmounts the second while containers keep running; after the next start it is bound again
 * from the first. On a host whose run directory is no shared mount only this survival is lost.
 */

import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentMode } from '#common/protocol/agent-file.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import type { Logger } from '#common/runtime/log.ts';
import { findMountAbilities } from './mount-abilities.ts';
import { bind, bindOnto, bindTree, mountPoints, mountTmpfs, unmount } from './mount-calls.ts';

export interface TmpfsOwner {
	readonly uid: number;
	readonly gid: number;
	readonly mode: number;
	readonly sizeBytes: number;
	readonly inodes: number;
	/** with `node` no agent is delivered */
	readonly agentMode: AgentMode;
}

export interface TmpfsDeps {
	/** below the host's run directory, of this plugin alone */
	readonly hostDirectory: string;
	/** below the plugin's propagated mount */
	readonly volumesDirectory: string;
	/** the agent and its loader, bound into each volume */
	readonly agentDirectory: string;
	/** why nothing that is mounted would reach a container */
	readonly problem: () => string | undefined;
	readonly logger: Logger;
}

export type Tmpfs = Awaited<ReturnType<typeof openTmpfs>>;

/** Prepares the directories and finds out what the host can. */
export async function openTmpfs({ hostDirectory, volumesDirectory, agentDirectory, problem: hidden, logger }: TmpfsDeps) {
	await mkdir(hostDirectory, { recursive: true, mode: 0o700 });
	await mkdir(volumesDirectory, { recursive: true, mode: 0o700 });
	const abilities = await findMountAbilities(hostDirectory, agentDirectory, logger);

	const problem = (): string | undefined => abilities.problem ?? hidden();

	const hostPath = (volume: string) => join(hostDirectory, volume);
	const path = (volume: string) => join(volumesDirectory, volume);

	async function bindIntoVolumes(volume: string): Promise<void> {
		await mkdir(path(volume), { recursive: true, mode: 0o700 });
		bindTree(hostPath(volume), path(volume));
	}

	async function remove(volume: string): Promise<void> {
		for (const directory of [path(volume), hostPath(volume)]) {
			unmount(directory);
			await rmdir(directory).catch(ignoreAbsent);
		}
	}

	return {
		/** what the engine is told; the container's directory */
		path,
		abilities,
		/** why no identity can be mounted */
		problem,

		/**
		 * Mounts a fresh tmpfs with the agent in it, read-only, if the container is to run it.
		 *
		 * @throws BirthmarkError `mount-failed`; nothing stays mounted then
		 */
		async mount(volume: string, { uid, gid, mode, sizeBytes, inodes, agentMode }: TmpfsOwner): Promise<void> {
			const reason = problem();
			if (reason !== undefined) throw new BirthmarkError('mount-failed', reason);
			try {
				await remove(volume);
				await mkdir(hostPath(volume), { mode: 0o700 });
				const options = `size=${sizeBytes},nr_inodes=${inodes},mode=${mode.toString(8)},uid=${uid},gid=${gid}`;
				mountTmpfs(hostPath(volume), abilities.noswap ? `${options},noswap` : options);
				if (abilities.agent && agentMode !== 'node') {
					const target = join(hostPath(volume), VolumeFile.agentDirectory);
					await mkdir(target, { mode: 0o755 });
					// Bound from a mount that is read-only already: a later remount would not reach the container's copy.
					bind(agentDirectory, target);
				}
				await bindIntoVolumes(volume);
			} catch (cause) {
				await remove(volume).catch((error: unknown) => logger.error('a tmpfs could not be removed', { volume, error }));
				throw new BirthmarkError(
					'mount-failed',
					'the tmpfs for the identity could not be mounted; the log of the plugin tells why',
					{ cause },
				);
			}
		},

		/** Unmounts it, lazily when somebody uses it; its memory is freed with the last user. */
		unmount: remove,

		/** Binds again what outlived the plugin. @returns false when the tmpfs is gone */
		async restore(volume: string, agentMode: AgentMode): Promise<boolean> {
			const mounted = await mountPoints();
			if (!mounted.includes(hostPath(volume))) return mounted.includes(path(volume));
			// The engine unmounted the agent as well, and where the container sees it. Bound again here it comes back there.
			const agent = join(hostPath(volume), VolumeFile.agentDirectory);
			if (abilities.agent && agentMode !== 'node' && !mounted.includes(agent)) {
				await bindOnto(agentDirectory, agent).catch((error: unknown) => logger.warn('the agent could not be delivered again', { volume, error }));
			}
			if (!mounted.includes(path(volume))) await bindIntoVolumes(volume);
			return true;
		},

		/** Names of all volumes that have something mounted or a directory left. */
		async present(): Promise<string[]> {
			const names = await Promise.all([hostDirectory, volumesDirectory].map((directory) => readdir(directory)));
			return [...new Set(names.flat())].filter((name) => !name.startsWith('.'));
		},
	};
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
	if (error.code !== 'ENOENT') throw error;
}

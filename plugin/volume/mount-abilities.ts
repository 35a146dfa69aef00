/**
 * What can be mounted on this host, found out by doing it when the plugin starts. The plugin runs
 * even when nothing can be: it is asked before every call to the engine, and its health tells why no
 * container gets an identity.
 */

import { access, mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '#common/runtime/log.ts';
import { bind, makeReadOnly, mountTmpfs, unmount } from './mount-calls.ts';

export interface MountAbilities {
	/** the agent can be delivered */
	readonly agent: boolean;
	/** a tmpfs can be kept out of the swap (Linux 6.4) */
	readonly noswap: boolean;
	/** why no identity can be mounted */
	readonly problem?: string;
}

/** @param directory where a tmpfs is tried @param agentDirectory made read-only when it is there */
export async function findMountAbilities(directory: string, agentDirectory: string, logger: Logger): Promise<MountAbilities> {
	const agent = await access(agentDirectory).then(() => true, () => false);
	if (!agent) logger.warn('there is no agent to deliver; images have to bring their own', { path: agentDirectory });
	try {
		if (agent) await protect(agentDirectory);
		const noswap = await tryTmpfs(directory, 'size=4k,noswap').then(() => true, () => false);
		if (!noswap) {
			await tryTmpfs(directory, 'size=4k');
			logger.warn('this kernel cannot keep a tmpfs out of the swap (noswap, Linux 6.4); encrypt the swap or turn it off');
		}
		return { agent, noswap };
	} catch (error) {
		logger.error('nothing can be mounted: no container will get an identity', { code: 'mount-failed', error });
		return { agent, noswap: false, problem: 'the plugin may not mount a tmpfs on this host; its log tells why' };
	}
}

/** Binds a directory over itself, read-only: a mount of its own, before anything is bound from it. */
async function protect(directory: string): Promise<void> {
	unmount(directory);
	bind(directory, directory);
	makeReadOnly(directory);
	const isWritable = await writeFile(join(directory, '.probe'), '').then(() => true, () => false);
	if (isWritable) throw new Error('the agent could not be mounted read-only');
}

async function tryTmpfs(directory: string, options: string): Promise<void> {
	const probe = join(directory, '.probe');
	unmount(probe);
	await mkdir(probe, { recursive: true });
	try {
		mountTmpfs(probe, options);
	} finally {
		unmount(probe);
		await rmdir(probe);
	}
}

/** The managed plugin: packaged from config.json and a root file system, set up, put into the chain. */

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BUNDLES, CEDAR_CODE } from './bundle.ts';
import { contentId, nodeVersion, type Docker } from './images.ts';
import { BUILD, PROJECT } from './paths.ts';
import { linkOrCopy, nodeExecutable, rootFsVersion } from './root-fs.ts';

export const PLUGIN = 'birthmark';

/**
 * Lays out the plugin as `docker plugin create` wants it: config.json and rootfs/.
 *
 * @returns the directory and an id that changes with its content
 */
export function layOutPlugin(rootFs: string): { directory: string; id: string } {
	const directory = join(BUILD, 'plugin');
	const root = join(directory, 'rootfs');
	const agent = join(BUILD, 'agent/bin');
	const id = contentId([readFileSync(import.meta.filename), readFileSync(join(PROJECT, 'config.json')), readFileSync(BUNDLES.plugin.output), readFileSync(CEDAR_CODE), readFileSync(join(BUILD, 'agent.stamp')), nodeVersion(), rootFsVersion(rootFs)]);
	const stamp = join(BUILD, 'plugin.id');
	if (existsSync(stamp) && readFileSync(stamp, 'utf8') === id) return { directory, id };
	rmSync(stamp, { force: true });
	rmSync(directory, { recursive: true, force: true });
	mkdirSync(join(root, 'app'), { recursive: true });
	cpSync(rootFs, root, { recursive: true, verbatimSymlinks: true });
	linkOrCopy(nodeExecutable(), join(root, 'usr/bin/node'));
	cpSync(BUNDLES.plugin.output, join(root, 'app/plugin.mjs'));
	cpSync(CEDAR_CODE, join(root, 'app', basename(CEDAR_CODE)));
	cpSync(agent, join(root, 'agent'), { recursive: true });
	// Where its loader is looked for, also when the plugin runs it for a container.
	mkdirSync(join(root, 'run/birthmark'), { recursive: true });
	symlinkSync('/agent', join(root, 'run/birthmark/bin'));
	mkdirSync(join(root, 'data'));
	cpSync(join(PROJECT, 'config.json'), join(directory, 'config.json'));
	writeFileSync(stamp, id);
	return { directory, id };
}

/**
 * Creates the plugin on the engine unless this very version is there.
 *
 * @param release called before another version is removed: takes it out of the authorization chain
 * @returns true when it was created
 */
export async function createPlugin(docker: Docker, layout: { directory: string; id: string }, stateDirectory: string, release: () => Promise<void> = async () => {}): Promise<boolean> {
	const stamp = join(stateDirectory, 'plugin.created');
	const there = (await docker(['plugin', 'inspect', '--format', '{{.Id}}', PLUGIN], { mayFail: true })).stdout.trim();
	if (there !== '' && existsSync(stamp) && readFileSync(stamp, 'utf8') === `${layout.id} ${there}`) return false;
	if (there !== '') {
		await release();
		await docker(['plugin', 'rm', '--force', PLUGIN]);
	}
	await docker(['plugin', 'create', PLUGIN, layout.directory]);
	const id = (await docker(['plugin', 'inspect', '--format', '{{.Id}}', PLUGIN])).stdout.trim();
	writeFileSync(stamp, `${layout.id} ${id}`);
	return true;
}

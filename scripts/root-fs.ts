/**
 * A root file system from the distribution's packages, distroless style: the C and C++ run-time
 * libraries and the files that these look for, no shell, no package manager.
 */

import { cpSync, existsSync, linkSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackExactly } from './packages.ts';
import { BUILD, PROJECT } from './paths.ts';
import type { Steps } from './steps.ts';

/** What Node needs at run time. */
const RUNTIME_PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1'];
/** Unprivileged user of the images, the number that distroless images use too. */
export const NONROOT = 65532;

const NEEDLESS = ['usr/share', 'usr/lib/x86_64-linux-gnu/gconv', 'usr/lib/x86_64-linux-gnu/audit', 'etc/ld.so.conf.d', 'usr/lib/systemd', 'var', '.debs'];

/** Builds `build/root-fs/base` unless it is there. @returns its path */
export async function buildRootFileSystem(steps: Steps): Promise<string> {
	const target = join(BUILD, 'root-fs/base');
	await build(steps, target);
	return target;
}

export const nodeExecutable = (): string => join(PROJECT, 'node_modules/node/bin/node');

/** Changes with the versions of the packages in it. */
export function rootFsVersion(rootFs: string): string {
	return readFileSync(`${rootFs}.complete`, 'utf8');
}

/** A hard link where the file system allows it: the runtime has 150 MB. */
export function linkOrCopy(from: string, to: string): void {
	rmSync(to, { force: true });
	try {
		linkSync(from, to);
	} catch {
		cpSync(from, to);
	}
}

/** Merged /usr, whichever way the packages are laid out. */
async function mergeIntoUsr(steps: Steps, root: string, name: string): Promise<void> {
	const directory = join(root, name);
	if (existsSync(directory)) {
		await steps.run('cp', ['--archive', `${directory}/.`, join(root, 'usr', name)]);
		rmSync(directory, { recursive: true });
	}
	symlinkSync(`usr/${name}`, directory);
}

async function build(steps: Steps, target: string): Promise<void> {
	const marker = `${target}.complete`;
	if (existsSync(marker)) return;
	rmSync(target, { recursive: true, force: true });
	for (const directory of ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'etc', 'proc', 'sys', 'dev', 'run', 'tmp', 'home']) mkdirSync(join(target, directory), { recursive: true });
	const versions = await unpackExactly(steps, RUNTIME_PACKAGES, target);
	for (const name of ['bin', 'sbin', 'lib', 'lib64']) await mergeIntoUsr(steps, target, name);
	for (const path of NEEDLESS) rmSync(join(target, path), { recursive: true, force: true });
	for (const directory of ['usr/bin', 'usr/sbin']) {
		for (const name of readdirSync(join(target, directory))) rmSync(join(target, directory, name), { recursive: true });
	}
	writeFileSync(join(target, 'etc/passwd'), `root:x:0:0:root:/:/sbin/nologin\nnonroot:x:${NONROOT}:${NONROOT}:nonroot:/home:/sbin/nologin\n`);
	writeFileSync(join(target, 'etc/group'), `root:x:0:\nnonroot:x:${NONROOT}:\n`);
	writeFileSync(join(target, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
	writeFileSync(marker, versions.join('\n'));
}

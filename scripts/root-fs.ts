/**
 * Root file systems from the distribution's packages, distroless style: the C and C++ run-time
 * libraries and the files that these look for, no shell, no package manager.
 */

import { cpSync, existsSync, linkSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackExactly } from './packages.ts';
import { BUILD, PROJECT } from './paths.ts';
import type { Steps } from './steps.ts';

/** What Node needs at run time. */
const RUNTIME_PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1'];
/** What the plugin needs beside: mount and umount. */
const MOUNT_PACKAGES = ['mount', 'libmount1', 'libblkid1', 'libselinux1', 'libpcre2-8-0'];
/** Unprivileged user of the images, the number that distroless images use too. */
export const NONROOT = 65532;

const NEEDLESS = ['usr/share', 'usr/lib/x86_64-linux-gnu/gconv', 'usr/lib/x86_64-linux-gnu/audit', 'etc/ld.so.conf.d', 'usr/lib/systemd', 'var', '.debs'];
const KEPT_PROGRAMS = ['mount', 'umount'];

/** Builds `build/root-fs/base` and `build/root-fs/mount` unless they are there. */
export async function buildRootFileSystems(steps: Steps): Promise<{ base: string; mount: string }> {
	const base = join(BUILD, 'root-fs/base');
	const mount = join(BUILD, 'root-fs/mount');
	await buildOne(steps, base, RUNTIME_PACKAGES);
	await buildOne(steps, mount, [...RUNTIME_PACKAGES, ...MOUNT_PACKAGES]);
	return { base, mount };
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

async function buildOne(steps: Steps, target: string, packages: readonly string[]): Promise<void> {
	const marker = `${target}.complete`;
	if (existsSync(marker)) return;
	rmSync(target, { recursive: true, force: true });
	for (const directory of ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'etc', 'proc', 'sys', 'dev', 'run', 'tmp', 'home']) mkdirSync(join(target, directory), { recursive: true });
	const versions = await unpackExactly(steps, packages, target);
	for (const name of ['bin', 'sbin', 'lib', 'lib64']) await mergeIntoUsr(steps, target, name);
	for (const path of NEEDLESS) rmSync(join(target, path), { recursive: true, force: true });
	for (const directory of ['usr/bin', 'usr/sbin']) {
		for (const name of readdirSync(join(target, directory))) if (!KEPT_PROGRAMS.includes(name)) rmSync(join(target, directory, name), { recursive: true });
	}
	writeFileSync(join(target, 'etc/passwd'), `root:x:0:0:root:/:/sbin/nologin\nnonroot:x:${NONROOT}:${NONROOT}:nonroot:/home:/sbin/nologin\n`);
	writeFileSync(join(target, 'etc/group'), `root:x:0:\nnonroot:x:${NONROOT}:\n`);
	writeFileSync(join(target, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
	writeFileSync(marker, versions.join('\n'));
}

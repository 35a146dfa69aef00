/**
 * Packages of the distribution, downloaded by apt and unpacked into a directory of ours with
 * `dpkg -x`. Nothing is installed: no service starts, no file of the machine changes.
 */

import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StepError, type Steps } from './steps.ts';

const REMEDY = 'check the network and the sources of apt, then run it again; it takes Debian, Ubuntu or another distribution with apt';

let listsAreFresh = false;

/** Downloads and unpacks the current version of exactly these packages. @returns the files, whose names tell the versions */
export async function unpackExactly(steps: Steps, names: readonly string[], target: string): Promise<string[]> {
	const debs = join(target, '.debs');
	mkdirSync(debs, { recursive: true });
	await apt(steps, ['download', ...names], debs);
	return unpack(steps, debs, target);
}

/**
 * Downloads and unpacks those packages that the machine lacks, with everything that they need and
 * the machine lacks too. Once done, the directory is taken as it is.
 *
 * @param afterwards what else belongs to it, done once
 */
export async function unpackMissing(steps: Steps, names: readonly string[], target: string, afterwards: () => Promise<void> = async () => {}): Promise<void> {
	const marker = join(target, `.unpacked-${names.join('+')}`);
	if (existsSync(marker)) return;
	const debs = join(target, '.debs');
	mkdirSync(join(debs, 'partial'), { recursive: true });
	await apt(steps, ['install', '--download-only', '--yes', '--no-install-recommends', '-o', `Dir::Cache::archives=${debs}`, ...names], debs);
	await unpack(steps, debs, target);
	await afterwards();
	writeFileSync(marker, '');
}

/** True for a program that was unpacked or that the machine has. */
export function hasProgram(name: string, target: string): boolean {
	return toolEnvironment(target)['PATH']!.split(':').some((directory) => existsSync(join(directory, name)));
}

/** The environment for programs from the unpacked directory; the machine's own come after them. */
export function toolEnvironment(target: string): Record<string, string> {
	const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu', 'lib/aarch64-linux-gnu'].map((path) => join(target, path)).filter((path) => existsSync(path));
	const programs = ['usr/sbin', 'usr/bin', 'sbin', 'bin'].map((path) => join(target, path));
	return {
		PATH: [...programs, process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(':'),
		LD_LIBRARY_PATH: libraries.join(':'),
		...Object.fromEntries(libraries.map((path) => join(path, 'xtables')).filter((path) => existsSync(path)).map((path) => ['XTABLES_LIBDIR', path])),
		BIRTHMARK_TOOLS: target,
	};
}

/**
 * Makes programs find the unpacked libraries by themselves: the engine starts itself anew with an
 * empty environment to unpack layers, and runc does so inside a container's namespaces.
 */
export async function pointToLibraries(steps: Steps, target: string, programs: readonly string[]): Promise<void> {
	const libraries = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].flatMap((name) => [`$ORIGIN/../lib/${name}`, `$ORIGIN/../../lib/${name}`]).join(':');
	for (const program of programs.map((name) => join(target, name)).filter((path) => existsSync(path))) {
		// The old kind of path: it counts for the libraries of libraries too.
		await steps.run('patchelf', ['--force-rpath', '--set-rpath', libraries, program], { env: toolEnvironment(target) });
	}
}

/** `iptables` is a link of the alternatives system, which unpacking does not make. */
export function linkAlternatives(target: string): void {
	const sbin = join(target, 'usr/sbin');
	for (const name of ['iptables', 'ip6tables']) {
		if (existsSync(join(sbin, `${name}-nft`)) && !existsSync(join(sbin, name))) symlinkSync(`${name}-nft`, join(sbin, name));
	}
}

async function apt(steps: Steps, args: readonly string[], cwd: string): Promise<void> {
	await freshenLists(steps);
	const result = await steps.run('apt-get', ['-q', ...args], { cwd, mayFail: true, env: { DEBIAN_FRONTEND: 'noninteractive' } });
	if (result.code !== 0) throw new StepError(`apt could not fetch ${args.at(-1)}: ${lastLine(result.stderr)}`, REMEDY);
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1)!;

async function freshenLists(steps: Steps): Promise<void> {
	if (listsAreFresh) return;
	if (process.getuid?.() !== 0) throw new StepError('fetching packages needs root', 'run make with sudo');
	const result = await steps.run('apt-get', ['-q', 'update'], { mayFail: true });
	if (result.code !== 0) throw new StepError(`apt-get update failed: ${lastLine(result.stderr)}`, REMEDY);
	listsAreFresh = true;
}

async function unpack(steps: Steps, debs: string, target: string): Promise<string[]> {
	const files = readdirSync(debs).filter((name) => name.endsWith('.deb')).sort();
	for (const file of files) {
		await steps.run('dpkg-deb', ['-x', join(debs, file), target]);
		rmSync(join(debs, file));
	}
	return files;
}

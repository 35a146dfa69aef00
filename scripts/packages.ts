/**
 * Packages of the distribution, downloaded by apt and unpacked into a directory of ours with
 * `dpkg -x`. Nothing is installed: no service starts, no file of the machine changes.
 */

import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOOLS } from './paths.ts';
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

/**
 * Downloads and unpacks the current version of exactly these packages from another suite of Debian,
 * with sources, lists and state of its own: the machine's apt neither sees it nor has to agree.
 *
 * @returns the files, whose names tell the versions
 */
export async function unpackFromSuite(steps: Steps, suite: string, names: readonly string[], target: string): Promise<string[]> {
	const apart = join(target, '.apt');
	try {
		for (const directory of ['lists/partial', 'cache/archives/partial', 'debs', 'keyring']) mkdirSync(join(apart, directory), { recursive: true });
		// The machine's own may be older than the suite's keys. Its distribution vouches for this one.
		await unpackExactly(steps, ['debian-archive-keyring'], join(apart, 'keyring'));
		const keyring = join(apart, 'keyring/usr/share/keyrings/debian-archive-keyring.gpg');
		writeFileSync(join(apart, 'sources.list'), `deb [signed-by=${keyring}] ${await debianMirror(steps)} ${suite} main\n`);
		writeFileSync(join(apart, 'status'), '');
		const settings = {
			'Dir::Etc::sourcelist': join(apart, 'sources.list'),
			'Dir::Etc::sourceparts': '-',
			'Dir::Etc::preferences': '-',
			'Dir::Etc::preferencesparts': '-',
			'Dir::State': apart,
			'Dir::State::status': join(apart, 'status'),
			'Dir::Cache': join(apart, 'cache'),
			'Acquire::Languages': 'none',
			'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
			'Acquire::Retries': '3',
			'APT::Sandbox::User': 'root',
		};
		const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
		for (const args of [['update', '--error-on=any'], ['download', ...names]]) await twice(() => runApt(steps, [...options, ...args], join(apart, 'debs'), `Debian's suite ${suite}`));
		return await unpack(steps, join(apart, 'debs'), target);
	} finally {
		rmSync(apart, { recursive: true, force: true });
	}
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

/**
 * The same for programs whose C library was unpacked with them and may be newer than the machine's:
 * they get its loader as well, by an absolute path, because no other is possible, and because runc
 * runs from a copy in memory that is in no folder.
 */
export async function setLoader(steps: Steps, target: string, programs: readonly string[]): Promise<void> {
	const env = toolEnvironment(TOOLS);
	const candidates = ['usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2', 'usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1', 'lib/x86_64-linux-gnu/ld-linux-x86-64.so.2', 'lib/aarch64-linux-gnu/ld-linux-aarch64.so.1'];
	const loader = candidates.map((path) => join(target, path)).find((path) => existsSync(path));
	if (loader === undefined) throw new StepError(`libc6 in ${target} has no loader`, 'engines of other suites run on x86-64 and arm64 only');
	const libraries = ['usr/lib', 'lib'].flatMap((path) => ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((name) => join(target, path, name))).filter((path) => existsSync(path));
	for (const program of programs) await steps.run('patchelf', ['--force-rpath', '--set-rpath', libraries.join(':'), '--set-interpreter', loader, join(target, program)], { env });
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
	await runApt(steps, args, cwd, args.at(-1)!);
}

async function runApt(steps: Steps, args: readonly string[], cwd: string, what: string): Promise<void> {
	const result = await steps.run('apt-get', ['-q', ...args], { cwd, mayFail: true, env: { DEBIAN_FRONTEND: 'noninteractive' } });
	if (result.code !== 0) throw new StepError(`apt could not fetch ${what}: ${lastLine(result.stderr)}`, REMEDY);
}

/** A mirror that is just being brought up to date answers wrongly for a moment. */
async function twice(work: () => Promise<void>): Promise<void> {
	await work().catch(work);
}

/** The mirror that this machine uses. @throws StepError where it is no Debian */
async function debianMirror(steps: Steps): Promise<string> {
	const { stdout } = await steps.run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Identifier: Packages', 'Label: Debian'], { mayFail: true });
	const mirror = stdout.split('\n').find((line) => /^https?:/.test(line));
	if (mirror === undefined) throw new StepError('the sources of apt name no mirror of Debian', 'engines of other suites come from there; run this on a Debian, or without ENGINE');
	return mirror;
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

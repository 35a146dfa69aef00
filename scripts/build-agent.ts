/**
 * The agent as one executable that runs in any image, whatever its C library or none at all: it
 * brings its own loader and glibc. Twice, because a loader's path is absolute: for the identity
 * volume (`build/agent/bin`) and for copying into an image (`build/agent-image/bin`).
 *
 * The loader's path is set on a copy of the runtime *before* the program is compiled into it: the
 * compiled executable carries its program behind the ELF image, where patchelf would lose it.
 */

import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { repairVersionDefinitions, withoutRaisedLimit } from './agent-runtime.ts';
import { bunExecutable } from './bundle.ts';
import { findCompiler } from './compiler.ts';
import { toolEnvironment } from './packages.ts';
import { BUILD, PROJECT, TOOLS } from './paths.ts';
import { runMain, StepError, Steps } from './steps.ts';

/** A machine that agents are built for. */
export interface Platform {
	/** as Bun names it in `--target` */
	readonly target: 'bun-linux-x64' | 'bun-linux-arm64';
	/** the runtime for it */
	readonly runtime: string;
	/** loader and libraries that the runtime needs there: absolute paths, links included */
	readonly libraries: readonly string[];
	/** a C compiler for it, with the options that it needs there */
	readonly compiler: readonly [string, ...string[]];
	readonly env: Readonly<Record<string, string>>;
	/** the folders `agent` and `agent-image` and their stamp go here */
	readonly output: string;
}

const FOLDERS = { 'agent/bin': '/run/birthmark/bin', 'agent-image/bin': '/opt/birthmark/bin' } as const;
const ENTRY = join(PROJECT, 'agent/main.ts');
/** The module that the runtime takes long to load, as its bundler writes it, and what the agent has in its place. */
const CRYPTO = ' from "crypto";';
const LATE_CRYPTO = ` from ${JSON.stringify(join(PROJECT, 'agent/late-crypto.ts'))};`;
const START = ['start.c', 'calls.c', 'confine.c'].map((name) => join(PROJECT, 'agent/start', name));
const START_HEADER = join(PROJECT, 'agent/start/confine.h');
const START_LIBRARY = 'libbirthmark-start.so';
const EXECUTABLE = 'birthmark-agent';
/** Bytecode starts in 8 ms instead of 20. An application's own .env and bunfig.toml are none of the agent's business. */
const COMPILE_FLAGS = ['--minify', '--bytecode', '--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig'];
/** What it has of libc is there in whichever version the loader comes with. */
const LIBRARY_FLAGS = ['-std=c11', '-O2', '-s', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-fvisibility=hidden', '-nostdlib', '-Wl,--build-id=none', '-Wl,-z,relro,-z,now', `-Wl,-soname,${START_LIBRARY}`];

/** For this machine. @returns whether anything had to be built */
export async function buildAgent(steps: Steps): Promise<boolean> {
	return buildAgentFor(steps, await thisPlatform(steps));
}

/** @returns whether anything had to be built */
export async function buildAgentFor(steps: Steps, platform: Platform): Promise<boolean> {
	const { output, libraries } = platform;
	const stampFile = join(output, 'agent.stamp');
	const program = await bundleProgram(steps);
	const stamp = contentStamp(program, platform);
	const isThere = Object.keys(FOLDERS).every((folder) => existsSync(join(output, folder, EXECUTABLE)));
	if (isThere && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return false;
	rmSync(stampFile, { force: true });
	for (const [folder, installedAt] of Object.entries(FOLDERS)) {
		const directory = join(output, folder);
		rmSync(directory, { recursive: true, force: true });
		mkdirSync(directory, { recursive: true });
		for (const library of libraries) {
			copyFileSync(realpathSync(library), join(directory, basename(library)));
			chmodSync(join(directory, basename(library)), 0o755);
		}
		await compile(steps, platform, program, directory, installedAt);
	}
	writeFileSync(stampFile, stamp);
	return true;
}

async function compile(steps: Steps, { target, runtime: executable, libraries, compiler, env }: Platform, program: string, directory: string, installedAt: string): Promise<void> {
	const runtime = join(directory, 'runtime');
	const entry = join(directory, 'program.js');
	const loader = libraries.map((library) => basename(library)).find((name) => name.startsWith('ld-'));
	if (loader === undefined) throw new StepError('the runtime has no loader', 'the agent is built from a runtime that is linked with glibc');
	try {
		const [command, ...options] = compiler;
		await steps.run(command, [...options, ...LIBRARY_FLAGS, '-o', join(directory, START_LIBRARY), ...START], { env });
		writeFileSync(runtime, withoutRaisedLimit(readFileSync(executable)), { mode: 0o755 });
		// RPATH, not RUNPATH, which an application's LD_LIBRARY_PATH would come before: its libc does not fit our loader.
		const search = ['--force-rpath', '--set-rpath', installedAt];
		// One after the other: patchelf 0.14 stumbles over both at once.
		for (const change of [['--add-needed', START_LIBRARY], ['--set-interpreter', `${installedAt}/${loader}`, ...search]]) await steps.run('patchelf', [...change, runtime], { env });
		writeFileSync(runtime, repairVersionDefinitions(readFileSync(runtime)));
		writeFileSync(entry, program);
		const output = join(directory, EXECUTABLE);
		const args = ['build', '--compile', `--target=${target}`, ...COMPILE_FLAGS, '--compile-executable-path', runtime, '--outfile', output, entry];
		await steps.run(bunExecutable(), args, { cwd: PROJECT });
		chmodSync(output, 0o755);
	} finally {
		for (const file of [runtime, entry]) rmSync(file, { force: true });
	}
}

async function thisPlatform(steps: Steps): Promise<Platform> {
	if (process.arch !== 'x64' && process.arch !== 'arm64') throw new StepError(`the agent cannot be built on ${process.arch}`, 'build on an x86-64 or arm64 machine');
	const runtime = bunExecutable();
	const { stdout } = await steps.run('ldd', [runtime]);
	const libraries = [...stdout.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map((match) => match[1]!);
	return { target: `bun-linux-${process.arch}`, runtime, libraries, compiler: ['gcc', ...(await findCompiler(steps))], env: toolEnvironment(process.env['BIRTHMARK_TOOLS'] ?? TOOLS), output: BUILD };
}

/** The agent in one file, with what it has of its own in place of modules of the runtime. */
async function bundleProgram(steps: Steps): Promise<string> {
	const { stdout } = await steps.run(bunExecutable(), ['build', '--target=bun', ENTRY], { cwd: PROJECT, quiet: true });
	if (!stdout.includes(CRYPTO)) throw new StepError('the bundle of the agent imports no crypto any more', 'see how this version of Bun writes imports, then adapt scripts/build-agent.ts');
	return stdout.replaceAll(CRYPTO, LATE_CRYPTO);
}

/** Changes when the program, the runtime, its libraries or the way of building do. */
function contentStamp(program: string, { target, runtime, libraries }: Platform): string {
	const hash = createHash('sha256').update(target).update(program).update(String(statSync(runtime).size));
	for (const file of [import.meta.filename, join(PROJECT, 'agent/late-crypto.ts'), join(PROJECT, 'agent/lately.ts'), join(import.meta.dirname, 'agent-runtime.ts'), ...START, START_HEADER, join(PROJECT, 'node_modules/bun/package.json'), ...libraries]) hash.update(readFileSync(file));
	return hash.digest('hex');
}

if (import.meta.main) {
	const logFile = join(BUILD, 'logs/build-agent.log');
	runMain(async () => {
		await new Steps(logFile).step('Compiling the agent', () => buildAgent(new Steps(logFile)), (built) => (built ? '' : 'up to date'));
	}, () => logFile);
}

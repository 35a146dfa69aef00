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
import { withoutHabits } from './agent-runtime.ts';
import { bunExecutable } from './bundle.ts';
import { toolEnvironment } from './packages.ts';
import { BUILD, PROJECT, TOOLS } from './paths.ts';
import { runMain, StepError, Steps } from './steps.ts';

const TARGETS = [
	{ output: join(BUILD, 'agent/bin'), installedAt: '/run/birthmark/bin' },
	{ output: join(BUILD, 'agent-image/bin'), installedAt: '/opt/birthmark/bin' },
] as const;
const STAMP = join(BUILD, 'agent.stamp');
const ENTRY = join(PROJECT, 'agent/main.ts');
const EXECUTABLE = 'birthmark-agent';
/** Bytecode starts in 8 ms instead of 20. An application's own .env and bunfig.toml are none of the agent's business. */
const COMPILE_FLAGS = ['--minify', '--bytecode', '--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig'];

/** @returns whether anything had to be built */
export async function buildAgent(steps: Steps): Promise<boolean> {
	const libraries = await runtimeLibraries(steps);
	const stamp = await contentStamp(steps, libraries);
	const isThere = TARGETS.every(({ output }) => existsSync(join(output, EXECUTABLE)));
	if (isThere && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp) return false;
	rmSync(STAMP, { force: true });
	for (const { output, installedAt } of TARGETS) {
		rmSync(output, { recursive: true, force: true });
		mkdirSync(output, { recursive: true });
		for (const library of libraries) {
			copyFileSync(realpathSync(library), join(output, basename(library)));
			chmodSync(join(output, basename(library)), 0o755);
		}
		await compile(steps, join(output, EXECUTABLE), installedAt);
	}
	writeFileSync(STAMP, stamp);
	return true;
}

async function compile(steps: Steps, output: string, installedAt: string): Promise<void> {
	const runtime = `${output}.runtime`;
	try {
		writeFileSync(runtime, withoutHabits(readFileSync(bunExecutable())), { mode: 0o755 });
		const env = toolEnvironment(process.env['BIRTHMARK_TOOLS'] ?? TOOLS);
		// RPATH, not RUNPATH, which an application's LD_LIBRARY_PATH would come before: its libc does not fit our loader.
		const search = ['--force-rpath', '--set-rpath', installedAt];
		await steps.run('patchelf', ['--set-interpreter', `${installedAt}/ld-linux-x86-64.so.2`, ...search, runtime], { env });
		const args = ['build', '--compile', ...COMPILE_FLAGS, '--compile-executable-path', runtime, '--outfile', output, ENTRY];
		await steps.run(bunExecutable(), args, { cwd: PROJECT });
		chmodSync(output, 0o755);
	} finally {
		rmSync(runtime, { force: true });
	}
}

/** Loader and libraries that the runtime needs on this machine: absolute paths, links included. */
async function runtimeLibraries(steps: Steps): Promise<string[]> {
	if (process.arch !== 'x64') throw new StepError(`the agent cannot be built on ${process.arch} yet`, 'build on an x86-64 machine');
	const { stdout } = await steps.run('ldd', [bunExecutable()]);
	return [...stdout.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map((match) => match[1]!);
}

/** Changes when the program, the runtime, its libraries or the way of building do. */
async function contentStamp(steps: Steps, libraries: readonly string[]): Promise<string> {
	const bundle = await steps.run(bunExecutable(), ['build', '--target=bun', '--minify', ENTRY], { cwd: PROJECT, quiet: true });
	const hash = createHash('sha256').update(bundle.stdout).update(String(statSync(bunExecutable()).size));
	for (const file of [import.meta.filename, join(import.meta.dirname, 'agent-runtime.ts'), join(PROJECT, 'node_modules/bun/package.json'), ...libraries]) hash.update(readFileSync(file));
	return hash.digest('hex');
}

if (import.meta.main) {
	const logFile = join(BUILD, 'logs/build-agent.log');
	runMain(async () => {
		await new Steps(logFile).step('Compiling the agent', () => buildAgent(new Steps(logFile)), (built) => (built ? '' : 'up to date'));
	}, () => logFile);
}

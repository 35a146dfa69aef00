/**
 * `make build-arm64`: the agent for arm64 machines, built on whichever machine this is: the runtime from
 * its own npm package, of the version and the digest that package-lock.json has, compiler and C library
 * from the distribution's packages for crossing over. Goes to build/arm64.
 */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildAgentFor } from './build-agent.ts';
import { installTools } from './engines.ts';
import { toolEnvironment, unpackMissing } from './packages.ts';
import { BUILD, PROJECT, TOOLS } from './paths.ts';
import { runMain, StepError, Steps } from './steps.ts';

export const ARM64 = join(BUILD, 'arm64');
/** Runs programs for arm64 on this machine, when it is another one. */
export const EMULATOR = join(ARM64, 'tools/usr/bin/qemu-aarch64-static');
const RUNTIME_PACKAGE = '@oven/bun-linux-aarch64';
const LIBRARIES = ['ld-linux-aarch64.so.1', 'libc.so.6', 'libdl.so.2', 'libm.so.6', 'libpthread.so.0'];

/** @returns whether anything had to be built */
export async function buildForArm64(steps: Steps): Promise<boolean> {
	const tools = join(ARM64, 'tools');
	mkdirSync(tools, { recursive: true });
	await installTools(steps);
	await unpackMissing(steps, ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross', 'qemu-user-static'], tools);
	const libraries = LIBRARIES.map((name) => join(tools, 'usr/aarch64-linux-gnu/lib', name));
	const own = toolEnvironment(process.env['BIRTHMARK_TOOLS'] ?? TOOLS);
	const cross = toolEnvironment(tools);
	const env = { ...own, PATH: `${cross['PATH']}:${own['PATH']}`, LD_LIBRARY_PATH: `${cross['LD_LIBRARY_PATH']}:${own['LD_LIBRARY_PATH']}` };
	return buildAgentFor(steps, { target: 'bun-linux-arm64', runtime: await fetchRuntime(steps), libraries, compiler: ['aarch64-linux-gnu-gcc'], env, output: ARM64 });
}

/** @returns the executable */
async function fetchRuntime(steps: Steps): Promise<string> {
	const lock = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as { packages: Record<string, { version: string; integrity: string } | undefined> };
	const locked = lock.packages[`node_modules/${RUNTIME_PACKAGE}`];
	if (locked === undefined) throw new StepError(`package-lock.json has no ${RUNTIME_PACKAGE}`, 'it comes with bun: npm install');
	const directory = join(ARM64, `runtime-${locked.version}`);
	const executable = join(directory, 'package/bin/bun');
	if (existsSync(executable)) return executable;
	mkdirSync(directory, { recursive: true });
	const { stdout } = await steps.run('npm', ['pack', '--json', '--pack-destination', directory, `${RUNTIME_PACKAGE}@${locked.version}`], { cwd: directory });
	const archive = join(directory, (JSON.parse(stdout) as [{ filename: string }])[0].filename);
	const digest = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
	if (digest !== locked.integrity) throw new StepError(`the package ${RUNTIME_PACKAGE} is not the one that package-lock.json names`, 'ask the registry that npm is set up with');
	await steps.run('tar', ['--extract', '--gzip', '--file', archive, '--directory', directory]);
	rmSync(archive);
	return executable;
}

if (import.meta.main) {
	const logFile = join(BUILD, 'logs/build-arm64.log');
	runMain(async () => {
		await new Steps(logFile).step('Compiling the agent for arm64', () => buildForArm64(new Steps(logFile)), (built) => (built ? '' : 'up to date'));
	}, () => logFile);
}

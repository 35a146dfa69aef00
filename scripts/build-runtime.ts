/**
 * birthmark-runtime: the small program that the engine runs in front of its own runtime (hook/runtime,
 * docs/adr/0032). Static, so that it runs on whatever host it is copied to; the same sources and the
 * same compiler make the same bytes.
 */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VERSION } from '#common/protocol/version.ts';
import { findCompiler } from './compiler.ts';
import { toolEnvironment } from './packages.ts';
import { BUILD, PROJECT, TOOLS } from './paths.ts';
import { runMain, Steps } from './steps.ts';

export const RUNTIME_EXECUTABLE = join(BUILD, 'runtime/birthmark-runtime');
const SOURCES = join(PROJECT, 'hook/runtime');
const STAMP = join(BUILD, 'runtime.stamp');
const WARNINGS = ['-Wall', '-Wextra', '-Werror', '-Wformat=2', '-Wconversion', '-Wshadow'];
const HARDENED = ['-static-pie', '-fPIE', '-fstack-protector-strong', '-D_FORTIFY_SOURCE=2', '-Wl,-z,relro,-z,now', '-Wl,--build-id=none'];
const FLAGS = ['-std=c11', '-O2', '-s', ...WARNINGS, ...HARDENED, `-DBIRTHMARK_VERSION="${VERSION}"`];

/** @returns whether it had to be built */
export async function buildRuntime(steps: Steps): Promise<boolean> {
	const sysroot = await findCompiler(steps);
	const env = toolEnvironment(TOOLS);
	const sources = readdirSync(SOURCES).filter((name) => /\.[ch]$/.test(name)).sort();
	const compiler = (await steps.run('gcc', ['--version'], { env })).stdout;
	const hash = createHash('sha256').update(JSON.stringify([FLAGS, sysroot, compiler, sources]));
	for (const name of sources) hash.update(readFileSync(join(SOURCES, name)));
	const stamp = hash.digest('hex');
	if (existsSync(RUNTIME_EXECUTABLE) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp) return false;
	rmSync(STAMP, { force: true });
	mkdirSync(join(BUILD, 'runtime'), { recursive: true });
	await steps.run('gcc', [...FLAGS, ...sysroot, ...sources.filter((name) => name.endsWith('.c')), '-o', RUNTIME_EXECUTABLE], { cwd: SOURCES, env });
	writeFileSync(STAMP, stamp);
	return true;
}

if (import.meta.main) {
	const logFile = join(BUILD, 'logs/build-runtime.log');
	runMain(async () => {
		await new Steps(logFile).step('Compiling the runtime', () => buildRuntime(new Steps(logFile)), (built) => (built ? '' : 'up to date'));
	}, () => logFile);
}

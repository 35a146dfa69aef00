/**
 * One small C program (test/support/probe.c), linked in the ways that programs in images are linked:
 * statically, with musl, with glibc. By the machine's compiler; musl and its headers are Debian's.
 */

import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findCompiler } from './compiler.ts';
import { toolEnvironment, unpackExactly } from './packages.ts';
import { BUILD, PROJECT, TOOLS } from './paths.ts';
import type { Steps } from './steps.ts';

/** Apart, and also where the machine has it: it is linked with by its path. */
const MUSL = join(TOOLS, 'musl');
const SOURCE = join(PROJECT, 'test/support/probe.c');
/** As compilers and loaders call this machine's architecture. */
const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const GLIBC_LOADER = process.arch === 'arm64' ? '/lib/ld-linux-aarch64.so.1' : '/lib64/ld-linux-x86-64.so.2';
const STRICT = ['-O2', '-Wall', '-Wextra', '-Werror', '-s'];

export interface TestPrograms {
	readonly static: string;
	readonly musl: string;
	/** what the second one is loaded by; its path in an image is {@link MUSL_LOADER} */
	readonly muslLoader: string;
	readonly glibc: string;
}

export const MUSL_LOADER = `/lib/ld-musl-${MACHINE}.so.1`;

export async function buildTestPrograms(steps: Steps): Promise<TestPrograms> {
	if (!existsSync(MUSL)) await unpackExactly(steps, ['musl', 'musl-dev'], MUSL);
	const sysroot = await findCompiler(steps);
	const directory = join(BUILD, 'test-programs');
	mkdirSync(directory, { recursive: true });
	const programs = { static: join(directory, 'static'), musl: join(directory, 'musl'), muslLoader: join(MUSL, MUSL_LOADER), glibc: join(directory, 'glibc') };
	const sourceTime = Math.max(statSync(SOURCE).mtimeMs, statSync(import.meta.filename).mtimeMs);
	const compile = async (output: string, options: readonly string[]): Promise<void> => {
		if (existsSync(output) && statSync(output).mtimeMs > sourceTime) return;
		await steps.run('gcc', [...sysroot, ...STRICT, '-o', output, ...options], { env: toolEnvironment(TOOLS) });
	};
	const library = join(MUSL, `usr/lib/${MACHINE}-linux-musl`);
	const musl = ['-nostdinc', '-isystem', join(MUSL, `usr/include/${MACHINE}-linux-musl`), '-nostdlib', '-fno-pie', '-no-pie', '-fno-stack-protector', ...['crt1.o', 'crti.o'].map((name) => join(library, name)), SOURCE];
	const end = join(library, 'crtn.o');
	await compile(programs.static, [...musl, '-static', `-L${library}`, '-lc', end]);
	await compile(programs.musl, [...musl, `-L${join(MUSL, `lib/${MACHINE}-linux-musl`)}`, '-l:libc.so', `-Wl,-dynamic-linker,${MUSL_LOADER}`, end]);
	const ofCompiler = (name: string): string => join(TOOLS, `usr/lib/${MACHINE}-linux-gnu`, name);
	// An unpacked compiler has everything of glibc with it but the library, which the machine has.
	const unpacked = ['-nostdlib', ofCompiler('Scrt1.o'), ofCompiler('crti.o'), SOURCE, `/lib/${MACHINE}-linux-gnu/libc.so.6`, ofCompiler('libc_nonshared.a'), GLIBC_LOADER, ofCompiler('crtn.o')];
	await compile(programs.glibc, sysroot.length > 0 ? unpacked : [SOURCE]);
	return programs;
}

/** The C compiler: the machine's own, or one from the distribution's packages, unpacked beside the other tools. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hasProgram, unpackMissing } from './packages.ts';
import { TOOLS } from './paths.ts';
import type { Steps } from './steps.ts';

const PLATFORMS = ['x86_64-linux-gnu', 'aarch64-linux-gnu'];

/**
 * To be called as `gcc`, in the environment of the tools.
 *
 * @returns the options with which it finds its headers and libraries: unpacked, it looks for them in the machine's own places
 */
export async function findCompiler(steps: Steps): Promise<readonly string[]> {
	if (!hasProgram('gcc', TOOLS) || !(hasStaticLibrary('/') || hasStaticLibrary(TOOLS))) await unpackMissing(steps, ['gcc', 'libc6-dev'], TOOLS);
	return hasStaticLibrary(TOOLS) ? [`--sysroot=${TOOLS}`] : [];
}

/** Comes with the headers. */
function hasStaticLibrary(root: string): boolean {
	return PLATFORMS.some((name) => existsSync(join(root, 'usr/lib', name, 'libc.a')));
}

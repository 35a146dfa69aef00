/** Programs of the distribution with all that they need at run time, copied into the root file system of an image. */

import { cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { toolEnvironment } from '../../scripts/packages.ts';
import type { Steps } from '../../scripts/steps.ts';

/**
 * @param files where each file is, and where it belongs in the image
 * @param tools the folder with unpacked packages, whose libraries come before the machine's
 * @throws Error when a library is missing
 */
export async function copyPrograms(steps: Steps, root: string, files: ReadonlyMap<string, string>, tools: string): Promise<void> {
	for (const [from, to] of files) copy(from, join(root, to));
	for (const library of await librariesOf(steps, [...files.keys()], tools)) {
		// The loader stands where programs name it; all others where it looks.
		copy(library, join(root, /\/ld-linux[^/]*$/.test(library) ? library : join('lib', basename(library))));
	}
}

/** @returns the path of a program that was unpacked or that the machine has. @throws Error when there is none */
export function findProgram(name: string, tools: string): string {
	const found = toolEnvironment(tools)['PATH']!.split(':').map((directory) => join(directory, name)).find((path) => existsSync(path));
	if (found === undefined) throw new Error(`the program ${name} is missing: run "make build"`);
	return found;
}

function copy(from: string, to: string): void {
	mkdirSync(dirname(to), { recursive: true });
	cpSync(realpathSync(from), to);
}

/** Everything that the dynamic loader maps for these files. */
async function librariesOf(steps: Steps, files: readonly string[], tools: string): Promise<ReadonlySet<string>> {
	const { stdout } = await steps.run('ldd', files, { env: toolEnvironment(tools), quiet: true });
	const missing = /^\s*(\S+) => not found/m.exec(stdout);
	if (missing) throw new Error(`a program needs ${missing[1]}, which is not here: run "make build"`);
	return new Set([...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path!));
}

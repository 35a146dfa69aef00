/** Each deployable that runs on Node becomes one file, dependencies included. */

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD, PROJECT } from './paths.ts';
import type { Steps } from './steps.ts';

export const BUNDLES = {
	ca: { entry: 'ca/main.ts', output: join(BUILD, 'bundles/ca.mjs') },
	plugin: { entry: 'plugin/main.ts', output: join(BUILD, 'bundles/plugin.mjs') },
	birthmark: { entry: 'cli/main.ts', output: join(BUILD, 'bundles/birthmark') },
	service: { entry: 'demo/service.ts', output: join(BUILD, 'bundles/service.mjs') },
} as const;

/** What bundles find beside themselves: the code of Cedar (common/policy/cedar.ts). */
export const CEDAR_CODE = join(PROJECT, 'node_modules/@cedar-policy/cedar-wasm/web/cedar_wasm_bg.wasm');

/** Native add-ons that ssh2, a dependency of dockerode, works without. */
const OPTIONAL_NATIVE = ['cpu-features', '*.node'];

export const bunExecutable = (): string => join(PROJECT, 'node_modules/bun/bin', existsSync(join(PROJECT, 'node_modules/bun/bin/bun.exe')) ? 'bun.exe' : 'bun');

/** @param entry relative to the project */
export function bundleArguments(entry: string, output: string): string[] {
	const external = OPTIONAL_NATIVE.flatMap((name) => ['--external', name]);
	return ['build', '--target=node', '--format=esm', ...external, '--outfile', output, join(PROJECT, entry)];
}

/** Bundles everything; takes under two seconds, so it is always done. */
export async function buildBundles(steps: Steps): Promise<void> {
	for (const { entry, output } of Object.values(BUNDLES)) {
		await steps.run(bunExecutable(), bundleArguments(entry, output), { cwd: PROJECT });
	}
	// In an image without a shell the command must be a program by itself.
	const command = readFileSync(BUNDLES.birthmark.output, 'utf8').replace(/^#!.*\n/, '');
	writeFileSync(BUNDLES.birthmark.output, `#!/usr/bin/node\n${command}`);
	chmodSync(BUNDLES.birthmark.output, 0o755);
}

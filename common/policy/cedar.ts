/**
 * Cedar (cedarpolicy.com, 4.x), compiled to WebAssembly: the language in which policies are written
 * and the engine that decides by them (docs/adr/0022). Loaded when it is first needed: 4 MB of code,
 * about 20 ms and 16 MB of memory.
 */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type * as CedarWasm from '@cedar-policy/cedar-wasm/web';

export type Cedar = Pick<
	typeof CedarWasm,
	'checkParsePolicySet' | 'policySetTextToParts' | 'policyToJson' | 'validate' | 'preparseSchema' | 'preparsePolicySet' | 'statefulIsAuthorized'
>;
export type { DetailedError, Expr, PolicyJson } from '@cedar-policy/cedar-wasm/web';

const FILE = 'cedar_wasm_bg.wasm';

/**
 * Loads it, once in a process.
 *
 * @throws Error when the file with the code is missing or damaged
 */
export async function loadCedar(): Promise<Cedar> {
	const cedar = await import('@cedar-policy/cedar-wasm/web');
	cedar.initSync({ module: await readFile(codeFile()) });
	return cedar;
}

/** Beside the bundle, where programs of the system keep such files, or in its package. */
function codeFile(): string {
	const laidOut = [`./${FILE}`, `../lib/birthmark/${FILE}`].map((path) => fileURLToPath(new URL(path, import.meta.url)));
	// A package manager may have put it elsewhere than the bundle.
	return laidOut.find((path) => existsSync(path)) ?? fileURLToPath(new URL(FILE, import.meta.resolve('@cedar-policy/cedar-wasm/web')));
}

/** birthmark-runtime for a private engine: a copy of its own with settings of its own, and what daemon.json says of it. */

import { accessSync, constants, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { RUNTIME_EXECUTABLE } from './build-runtime.ts';
import { engineEnvironment } from './engines.ts';
import type { EnginePaths } from './paths.ts';
import type { EngineSettings } from './private-engine.ts';
import { StepError } from './steps.ts';

export const RUNTIME = 'birthmark';

export interface RuntimeOptions {
	/** the engine's data root, where it is not the one of its paths, as with user namespaces */
	readonly dataRoot?: string;
	/** the runtime behind it; the engine's own runc when absent */
	readonly runtime?: string;
}

/**
 * Copies the program and writes its settings; may be done again while the engine runs.
 *
 * @returns what daemon.json needs for `--runtime birthmark`
 */
export function installRuntime(paths: EnginePaths, { dataRoot = paths.data, runtime = findRunc() }: RuntimeOptions = {}): EngineSettings {
	const directory = join(paths.state, 'runtime');
	const program = join(directory, basename(RUNTIME_EXECUTABLE));
	mkdirSync(directory, { recursive: true });
	copyFileSync(RUNTIME_EXECUTABLE, program);
	writeFileSync(`${program}.conf`, `runtime=${runtime}\ndata-root=${dataRoot}\nsocket=${join(paths.run, 'birthmark/hook.sock')}\n`);
	return { runtimes: { [RUNTIME]: { path: program } } };
}

/** The engine's own, which it finds by its PATH; whoever stands in front of it has to be told. */
export function findRunc(): string {
	const found = engineEnvironment()['PATH']!.split(':').map((directory) => join(directory, 'runc')).find(isExecutable);
	if (found === undefined) throw new StepError('there is no runc for the private engine', 'run make build again');
	return found;
}

function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

/** birthmark-runtime for a private engine: a copy of its own with settings of its own, and what daemon.json says of it. */

import { join } from 'node:path';
import { createRuntimeFiles } from '../cli/engine/runtime-files.ts';
import { hookSocket, isProgram } from '../cli/engine/runtime-settings.ts';
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
export async function installRuntime(paths: EnginePaths, { dataRoot = paths.data, runtime = findRunc() }: RuntimeOptions = {}): Promise<EngineSettings> {
	const files = createRuntimeFiles(join(paths.state, 'runtime'), RUNTIME_EXECUTABLE);
	await files.install({ runtime, dataRoot, socket: hookSocket(paths.run) });
	return { runtimes: { [RUNTIME]: { path: files.program } } };
}

/** The engine finds it by its PATH; a program that is called by its path has to be told. */
export function findRunc(): string {
	const found = engineEnvironment()['PATH']!.split(':').map((directory) => join(directory, 'runc')).find(isProgram);
	if (found === undefined) throw new StepError('there is no runc for the private engine', 'run make build again');
	return found;
}

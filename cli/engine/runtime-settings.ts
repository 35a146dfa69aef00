/** What `birthmark-runtime` has to know of an engine, from what that engine says of itself. */

import { accessSync, constants, realpathSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import type { InstalledPlugin } from '../docker.ts';
import type { EngineProcess } from '#common/runtime/engine-process.ts';
import { readRuntimeSettings, RUNTIME_PROGRAM, type RuntimeSettings } from './runtime-files.ts';
import type { EngineRuntimes } from './setup.ts';

/** The source of the plugin's mount "run" where nobody has set another one. */
const DEFAULT_RUN = '/run';
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The socket on which a plugin is asked, as the host sees it (plugin/hook). @param run the directory that the plugin has for its sockets */
export function hookSocket(run = DEFAULT_RUN): string {
	return join(run, 'birthmark/hook.sock');
}

/**
 * @param program where ours is installed
 * @param chosen the runtime that is to make the containers; when absent, what made them before
 * @throws BirthmarkError `setup-failed` when there is none, one with arguments, one without a program, or ours again
 */
export function settingsFor({ dataRoot, defaultRuntime, runtimes }: EngineRuntimes, { environment }: Pick<EngineProcess, 'environment'>, plugin: InstalledPlugin | undefined, program: string, chosen?: string): RuntimeSettings {
	const ownDefault = runtimes[defaultRuntime];
	const before = ownDefault?.path === program ? readRuntimeSettings(program)?.runtime : undefined;
	const other = ownDefault?.path === program ? runtimes['runc'] : ownDefault;
	if (chosen === undefined && before === undefined && (other?.runtimeArgs ?? []).length > 0) {
		throw new BirthmarkError('setup-failed', `the runtime ${quote(defaultRuntime)} is called with arguments of its own; name a program that needs none with --runtime`);
	}
	// E.g. virtual machines of a shim of their own: runc in their place would be another wall than the containers have.
	if (chosen === undefined && before === undefined && other !== undefined && !other.path) {
		throw new BirthmarkError('setup-failed', `the runtime ${quote(defaultRuntime)} has no program that could be called; name the one that is to make the containers with --runtime`);
	}
	const runtime = chosen ?? before ?? other?.path ?? 'runc';
	const found = isAbsolute(runtime) ? [runtime] : (environment['PATH'] || DEFAULT_PATH).split(':').map((folder) => join(folder, runtime));
	const path = found.find(isProgram);
	if (path === undefined) throw new BirthmarkError('setup-failed', `there is no program ${quote(runtime)} that could make containers; name one with --runtime`);
	if (basename(realpathSync(path)) === RUNTIME_PROGRAM) throw new BirthmarkError('setup-failed', `${path} is birthmark-runtime itself; name the runtime behind it with --runtime`);
	return { runtime: path, dataRoot, socket: hookSocket(plugin?.run) };
}

export function isProgram(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

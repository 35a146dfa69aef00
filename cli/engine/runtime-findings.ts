/** Is `birthmark-runtime` set up on this engine, and does it fit? Part of `birthmark doctor`, and all of `engine status`. */

import { basename } from 'node:path';
import { VERSION } from '#common/protocol/version.ts';
import { fault, ok, warning, type Finding } from '../diagnosis.ts';
import type { EngineView, InstalledPlugin } from '../docker.ts';
import { readRuntimeSettings, readRuntimeVersion, RUNTIME_PROGRAM } from './runtime-files.ts';
import { hookSocket, isProgram } from './runtime-settings.ts';

const CHECK = 'runtime';
const AGAIN = 'as root: birthmark engine setup';

/**
 * @param view.status what the plugin says of itself, its version among it
 * @param isHere false for an engine of another host, whose files cannot be seen
 */
export async function runtimeFindings({ runtimes: engine, plugin, status }: Pick<EngineView, 'runtimes' | 'plugin' | 'status'>, isHere: boolean): Promise<Finding[]> {
	const ours = Object.entries(engine.runtimes).filter(([, { path }]) => path !== undefined && basename(path) === RUNTIME_PROGRAM);
	if (ours.length === 0) return [ok(CHECK, 'not set up: a container needs label and mount (birthmark engine setup makes the label enough)')];
	return Promise.all(ours.map(async ([name, { path = '' }]) => {
		const is = `${name} is ${engine.defaultRuntime === name ? 'the default runtime' : `there for --runtime ${name}, not the default`}`;
		return isHere ? look(path, is, engine.dataRoot, plugin, status?.version ?? VERSION) : ok(CHECK, is);
	}));
}

async function look(program: string, is: string, dataRoot: string, plugin: InstalledPlugin | undefined, wanted: string): Promise<Finding> {
	const broken = (what: string): Finding => fault(CHECK, `${is}, but ${what}`, AGAIN);
	const version = await readRuntimeVersion(program);
	if (version === undefined) return broken(`${program} is not there, or is something else: it makes no container`);
	const settings = readRuntimeSettings(program);
	if (settings === undefined) return broken(`${program}.conf is not there, or not understood: it makes no container`);
	if (settings.dataRoot !== dataRoot) return broken(`it looks for containers in ${settings.dataRoot}, and the engine keeps them in ${dataRoot}`);
	if (!isProgram(settings.runtime)) return broken(`the runtime behind it, ${settings.runtime}, cannot be run`);
	if (plugin && settings.socket !== hookSocket(plugin.run)) return broken(`it asks on ${settings.socket}, and the plugin listens on ${hookSocket(plugin.run)}`);
	if (version !== wanted) return warning(CHECK, `${is}; it is version ${version}, the plugin ${wanted}`, AGAIN);
	return ok(CHECK, `${is}, version ${version}`);
}

/**
 * `birthmark-runtime` as it lies on a host: the program, and beside it the settings that it reads at
 * every call (hook/runtime/settings.c), so that each engine of a host can have its own copy.
 */

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';

export const RUNTIME_PROGRAM = 'birthmark-runtime';
const VERSION_MS = 5_000;

export interface RuntimeSettings {
	/** the runtime that makes the containers, an absolute path */
	readonly runtime: string;
	/** of the engine: where it keeps its containers */
	readonly dataRoot: string;
	/** on which the plugin is asked */
	readonly socket: string;
}

/** @returns undefined when they are not there or not understood */
export function readRuntimeSettings(program: string): RuntimeSettings | undefined {
	try {
		const lines = readFileSync(settingsPath(program), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
		const values = new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
		const [runtime, dataRoot, socket] = ['runtime', 'data-root', 'socket'].map((name) => values.get(name));
		return values.size === 3 && runtime !== undefined && dataRoot !== undefined && socket !== undefined ? { runtime, dataRoot, socket } : undefined;
	} catch {
		return undefined;
	}
}

/** @returns undefined when it cannot be run, or is something else */
export async function readRuntimeVersion(program: string): Promise<string | undefined> {
	try {
		const { stdout } = await promisify(execFile)(program, ['--birthmark-version'], { timeout: VERSION_MS, env: {} });
		return /^birthmark-runtime (\S+)\n$/.exec(stdout)?.[1];
	} catch {
		return undefined;
	}
}

export interface RuntimeFiles {
	readonly program: string;
	/** something of it is there */
	exist(): boolean;
	/** just this program, with just these settings */
	areThere(settings: RuntimeSettings): boolean;
	install(settings: RuntimeSettings): Promise<void>;
	remove(): void;
}

/**
 * @param directory where it is installed
 * @param source the program as it was built
 */
export function createRuntimeFiles(directory: string, source: string): RuntimeFiles {
	const program = join(directory, RUNTIME_PROGRAM);
	return {
		program,
		exist: () => existsSync(program) || existsSync(settingsPath(program)),
		areThere: (settings) => existsSync(program) && existsSync(source) && readFileSync(program).equals(readFileSync(source)) && readText(settingsPath(program)) === format(settings),
		async install(settings) {
			if (!existsSync(source)) throw new BirthmarkError('not-found', `there is no program ${source} to install; run make build, or name it with --program`);
			try {
				mkdirSync(directory, { recursive: true, mode: 0o755 });
				// The program refuses every container while it has no settings.
				await writeFileAtomic(settingsPath(program), format(settings), 0o644);
				await writeFileAtomic(program, readFileSync(source), 0o755);
			} catch (cause) {
				throw new BirthmarkError('setup-failed', `${directory} cannot be written: ${(cause as Error).message}; choose another place with --directory`, { cause });
			}
		},
		remove() {
			for (const path of [program, settingsPath(program)]) rmSync(path, { force: true });
			try {
				rmdirSync(dirname(program));
			} catch {
				// Somebody keeps other files there.
			}
		},
	};
}

const settingsPath = (program: string): string => `${program}.conf`;

function format({ runtime, dataRoot, socket }: RuntimeSettings): string {
	return `# Written by birthmark engine setup.\nruntime=${runtime}\ndata-root=${dataRoot}\nsocket=${socket}\n`;
}

function readText(path: string): string | undefined {
	return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

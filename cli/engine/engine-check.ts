/** What an engine would make of a changed configuration, found out before it reads it. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { flag, type EngineProcess } from '#common/runtime/engine-process.ts';

/** The first that has `dockerd --validate`. */
const VALIDATES = 23;
const VALIDATE_MS = 30_000;
/** With these on the command line the file cannot say it as well, and a reload would forget a chain (docs/adr/0033). */
const FLAGS = ['add-runtime', 'default-runtime', 'authorization-plugin'];

/** @throws BirthmarkError `setup-failed` */
export function checkFlags({ args, daemonJson }: Pick<EngineProcess, 'args' | 'daemonJson'>): void {
	const found = FLAGS.find((name) => flag(args, name) !== undefined);
	if (found !== undefined) throw new BirthmarkError('setup-failed', `the engine was started with --${found}; say it in ${daemonJson} instead, and restart the engine`);
}

/** @param version of the engine @returns what is wrong with the text; undefined also where the engine cannot tell */
export async function validateDaemonJson({ executable, args, environment }: Pick<EngineProcess, 'executable' | 'args' | 'environment'>, version: string, text: string): Promise<string | undefined> {
	if (Number.parseInt(version, 10) < VALIDATES) return undefined;
	const folder = mkdtempSync(join(tmpdir(), 'birthmark-'));
	try {
		const file = join(folder, 'daemon.json');
		writeFileSync(file, text, { mode: 0o600 });
		return await complaint(executable, [...withoutFlag(args, 'config-file'), '--validate', '--config-file', file], environment);
	} finally {
		rmSync(folder, { recursive: true });
	}
}

function complaint(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<string | undefined> {
	return new Promise((resolve) => {
		execFile(program, args, { env, timeout: VALIDATE_MS }, (error, _, stderr) => resolve(error ? (stderr.trim().split('\n').at(-1) ?? '') || error.message : undefined));
	});
}

function withoutFlag(args: readonly string[], name: string): string[] {
	return args.filter((word, at) => !word.startsWith(`--${name}=`) && word !== `--${name}` && args[at - 1] !== `--${name}`);
}

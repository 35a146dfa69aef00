/** `birthmark ca init|serve|…`: hands over to the CA, which is a program of its own; `rotate-ca.ts` adds what talks to one that runs. */

import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Context } from '../context.ts';

/** Beside the sources, in an image, or where $BIRTHMARK_CA_MAIN says. */
const PLACES = [fileURLToPath(new URL('../../ca/main.ts', import.meta.url)), '/app/ca.mjs'];
const FORWARDED: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

export function addCa(program: Command, context: Context): void {
	program
		.command('ca')
		.description('make and run a certificate authority')
		.argument('<init|serve|backup|restore|audit-verify|root-key-export|key-encryption-change>')
		.argument('[options...]')
		.allowUnknownOption()
		.passThroughOptions()
		.addHelpText('after', programHelp)
		.action(async (action: string, options: string[], _own: object, command: Command) => {
			if (options.includes('--help') || options.includes('-h')) command.help();
			const main = findProgram();
			if (main === undefined) throw new BirthmarkError('usage', 'the CA is not part of this installation; set BIRTHMARK_CA_MAIN to its program, or use the image birthmark/ca');
			const child = spawn(process.execPath, [main, action, ...(context.wantsJson() ? ['--json'] : []), ...options], { stdio: 'inherit' });
			for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
			process.exitCode = await new Promise<number>((resolve, reject) => {
				child.on('error', reject);
				child.on('exit', (code) => resolve(code ?? 1));
			});
		});
}

function findProgram(): string | undefined {
	return [process.env['BIRTHMARK_CA_MAIN'], ...PLACES].find((path) => path !== undefined && existsSync(path));
}

/** The CA's program knows its commands best. */
function programHelp(): string {
	const main = findProgram();
	return main === undefined ? '' : `\n${spawnSync(process.execPath, [main, '--help'], { encoding: 'utf8' }).stdout}`;
}

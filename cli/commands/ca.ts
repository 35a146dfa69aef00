/** `birthmark ca init|serve|…`: hands over to the CA, which is a program of its own; `rotate.ts` adds what talks to one that runs. */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Context } from '../context.ts';

/** Beside the sources, in an image, or where $BIRTHMARK_CA_MAIN says. */
const PLACES = [fileURLToPath(new URL('../../ca/main.ts', import.meta.url)), '/app/ca.mjs'];
const FORWARDED: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

const HELP = `
  init   --state DIR [--trust-domain NAME] [--environment NAME] [--json]
         makes root, intermediate and database, and prints the SHA-256 of the trust bundle
  serve  --state DIR [--init] [--check-config]
         runs the CA in the foreground; --init makes it first if there is none; --check-config only checks the configuration
  backup --state DIR --out FILE [--json]
         writes the whole CA into one file, also while it serves; the key-encryption key is not in it
  restore --state DIR --from FILE [--json]
         makes a CA of it, where there is none
  audit-verify --state DIR [--expect NUMBER:HASH] [--json]
         proves that nobody has touched the audit log in the database, also while no CA runs
  root-key-export --state DIR --out FILE --passphrase-file FILE [--remove]
         writes the root's key, encrypted under the passphrase; --remove takes it out of the CA, which needs it only to rotate

DIR may come from $BIRTHMARK_CA_STATE.`;

export function addCa(program: Command, _context: Context): void {
	program
		.command('ca')
		.description('make and run a certificate authority')
		.argument('<init|serve|backup|restore|audit-verify|root-key-export>')
		.argument('[options...]')
		.allowUnknownOption()
		.passThroughOptions()
		.addHelpText('after', HELP)
		.action(async (action: string, options: string[], _own: object, command: Command) => {
			if (options.includes('--help') || options.includes('-h')) command.help();
			const main = [process.env['BIRTHMARK_CA_MAIN'], ...PLACES].find((path) => path !== undefined && existsSync(path));
			if (main === undefined) throw new BirthmarkError('usage', 'the CA is not part of this installation; set BIRTHMARK_CA_MAIN to its program, or use the image birthmark/ca');
			const child = spawn(process.execPath, [main, action, ...options], { stdio: 'inherit' });
			for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
			process.exitCode = await new Promise<number>((resolve, reject) => {
				child.on('error', reject);
				child.on('exit', (code) => resolve(code ?? 1));
			});
		});
}

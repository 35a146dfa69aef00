/**
 * The CA's command line: `ca COMMAND --state DIR [options]`, one file for each command in `commands/`.
 *
 * Exit codes: 0 done, 1 refused or failed, 64 command line not understood, 78 configuration at fault (sysexits.h).
 */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { auditVerify } from './commands/audit-verify.ts';
import { backup, restore } from './commands/backup.ts';
import { report } from './commands/command.ts';
import { init } from './commands/init.ts';
import { keyEncryptionChange } from './commands/key-encryption-change.ts';
import { rootKeyExport } from './commands/root-key-export.ts';
import { serve } from './commands/serve.ts';

const COMMANDS = [init, serve, backup, restore, auditVerify, rootKeyExport, keyEncryptionChange];

const HELP = `usage: ca COMMAND --state DIR [options]

${COMMANDS.map(({ name, usage, summary }) => `  ${name} ${usage}\n      ${summary}\n`).join('')}
DIR may come from $BIRTHMARK_CA_STATE; the configuration is DIR/config.json, overridden by $BIRTHMARK_CA_….
`;

async function run([name, ...args]: readonly string[]): Promise<void> {
	if ([name, ...args].some((word) => word === '--help' || word === '-h')) {
		process.stdout.write(HELP);
		return;
	}
	const command = COMMANDS.find((known) => known.name === name);
	if (!command) throw new BirthmarkError('usage', name === undefined ? 'a command is missing' : 'there is no such command');
	process.exitCode = (await command.run(args, process.env)) ?? 0;
}

const args = process.argv.slice(2);
run(args).catch((error: unknown) => {
	const code = errorCode(error);
	const text = error instanceof BirthmarkError ? `ca: ${error.message} [${code}]` : `ca: ${(error as Error).stack ?? error}`;
	if (args.includes('--json')) report(true, { error: { code, message: (error as Error).message } }, '');
	else process.stderr.write(`${text}\n${code === 'usage' ? `\n${HELP}` : ''}`);
	process.exit(code === 'usage' ? 64 : code === 'config-invalid' ? 78 : 1);
});

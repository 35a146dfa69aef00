#!/usr/bin/env node
/** The `birthmark` command: wires the commands, and turns failures into one sentence and an exit code. */

import { Command, CommanderError } from 'commander';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { VERSION } from '#common/protocol/version.ts';
import { addAudit } from './commands/audit.ts';
import { addCa } from './commands/ca.ts';
import { addCompletion } from './commands/completion.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEngine } from './commands/engine.ts';
import { addLogin } from './commands/login.ts';
import { addLs } from './commands/ls.ts';
import { addNode } from './commands/node.ts';
import { addOperator } from './commands/operator.ts';
import { addPlugin } from './commands/plugin.ts';
import { addPolicy } from './commands/policy.ts';
import { addRevoke } from './commands/revoke.ts';
import { addCaRotate } from './commands/rotate-ca.ts';
import { addRotate } from './commands/rotate.ts';
import { addShow } from './commands/show.ts';
import { addUser } from './commands/user.ts';
import type { Context } from './context.ts';
import { ExitCode, exitCodeFor } from './exit-codes.ts';
import { createFollowingCaClient } from './follow-bundle.ts';
import { createOutput } from './output.ts';
import { loadProfile } from './profile.ts';

const program = new Command('birthmark')
	.description('Every container gets an X.509 identity at the moment it is born, and loses it when it dies.')
	.version(VERSION)
	.option('--ca-socket <path>', 'admin socket of a CA on this machine (default: $BIRTHMARK_CA_SOCKET, else the saved login)')
	.option('--json', 'print JSON')
	.enablePositionalOptions() // what follows "ca serve" belongs to the CA
	.showSuggestionAfterError()
	.addHelpText('after', '\nExit codes: 0 ok, 1 failed, 2 usage, 3 doctor, audit verify or policy check found a fault, 4 CA or engine unreachable, 5 refused, 6 not found.');

const context: Context = {
	output: createOutput(),
	now: () => new Date(),
	ca: () => createFollowingCaClient(loadProfile(program.opts<{ caSocket?: string }>().caSocket), { warn }),
	wantsJson: () => wantsJson,
};

let wantsJson = false;
program.hook('preAction', (_, command) => {
	wantsJson = command.optsWithGlobals<{ json?: boolean }>().json === true;
});
// The reader of a pipe may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? ExitCode.ok : ExitCode.failed));

for (const add of [addLs, addShow, addRevoke, addRotate, addNode, addPolicy, addOperator, addPlugin, addEngine, addUser, addLogin, addDoctor, addAudit, addCa, addCaRotate, addCompletion]) add(program, context);
overrideExit(program);

try {
	await program.parseAsync();
} catch (error) {
	process.exitCode = report(error);
}

function warn(sentence: string): void {
	process.stderr.write(`note: ${sentence}\n`);
}

/** Commander inherits neither this nor the help hint to commands that were added before. */
function overrideExit(command: Command): void {
	command.exitOverride().showHelpAfterError('(--help tells more)');
	for (const inner of command.commands) overrideExit(inner);
}

function report(error: unknown): number {
	if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
	const code = errorCode(error);
	const message = error instanceof Error ? error.message : String(error);
	if (context.wantsJson()) context.output.json({ error: { code, message } });
	else process.stderr.write(`birthmark: ${message} [${code}]\n`);
	if (!(error instanceof BirthmarkError) && process.env['BIRTHMARK_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
	return exitCodeFor(code);
}

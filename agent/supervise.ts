/** The application as a child of the agent: same terminal, same environment, same limits, its exit code ours. */

import { spawn } from 'node:child_process';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { exitCodeForSignal } from './exit-codes.ts';
import { START_MARKER } from './native.ts';

export interface Application {
	readonly pid: number;
	/** its exit code, or 128 + n when signal n ended it */
	readonly exited: Promise<number>;
	/** Passes a signal on. @returns false when it has ended already, or may not be signalled by this user */
	signal(signal: NodeJS.Signals): boolean;
}

/**
 * Starts it with the agent's own standard streams, environment and working directory.
 *
 * @param command program (looked up in PATH when it has no slash) and arguments
 * @throws BirthmarkError `application-not-started`, with the system's error as its cause
 */
export function startApplication([program = '', ...args]: readonly string[]): Promise<Application> {
	return new Promise((resolve, reject) => {
		const refuse = (cause: unknown) => {
			reject(new BirthmarkError('application-not-started', `${program} could not be started: ${reason(cause)}`, { cause }));
		};
		try {
			// Not detached: a terminal's foreground process group must keep the application in it.
			const child = spawn(program, args, { stdio: 'inherit', env: environmentOf('application') });
			const exited = new Promise<number>((ended) => {
				child.once('exit', (code, signal) => ended(signal === null ? (code ?? 0) : exitCodeForSignal(signal)));
			});
			// Stays: a signal that may not be sent to an application with other rights is reported here too.
			child.on('error', refuse);
			child.once('spawn', () => resolve({ pid: child.pid!, exited, signal: (signal) => child.kill(signal) }));
		} catch (cause) {
			refuse(cause);
		}
	});
}

/** With start/start.c an application gets its arguments and the container's environment as they are, byte for byte. */
function environmentOf(child: 'application'): NodeJS.ProcessEnv {
	return process.env[START_MARKER] === undefined ? process.env : { ...process.env, [START_MARKER]: child };
}

/** True when it exists but may not be run; false when it was not found. */
export function isNotExecutable(error: BirthmarkError): boolean {
	return systemCode(error.cause) !== 'ENOENT';
}

function reason(cause: unknown): string {
	const code = systemCode(cause);
	if (code === 'ENOENT') return 'it was not found (check the image\'s PATH and the spelling)';
	if (code === 'EACCES') return 'it is not executable for this user';
	return code ?? String(cause);
}

function systemCode(cause: unknown): string | undefined {
	return cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
}

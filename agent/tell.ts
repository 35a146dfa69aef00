/** Telling the application to take up its new certificate, in the way that `birthmark.reload` names. */

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Reload } from '#common/protocol/reload.ts';
import { postLocally } from './post-locally.ts';
import { runCommand, type Children } from './run-command.ts';
import type { Application } from './supervise.ts';

export interface TellDeps {
	readonly application: Pick<Application, 'pid' | 'signal'>;
	readonly children: Children;
}

/** @returns undefined when it was told; else why not, half a sentence. @throws only the signal's reason */
export async function tell(reload: Reload, signal: AbortSignal, { application, children }: TellDeps): Promise<string | undefined> {
	switch (reload.way) {
		case 'signal': return sendSignal(reload.signal, application);
		case 'exec': return runCommand(reload.command, signal, children);
		case 'http': return postLocally(reload.to, reload.path, signal);
	}
}

/** Only to an application that makes something of the signal: the default action of all of them is its end. */
function sendSignal(signal: NodeJS.Signals, application: TellDeps['application']): string | undefined {
	const { handled, ignored } = signalsOf(application.pid);
	const bit = 1n << BigInt(constants.signals[signal] - 1);
	if ((handled & bit) !== 0n) {
		if (application.signal(signal)) return undefined;
		return `${signal} could not be sent to it: it runs as another user, and the agent lacks the capability KILL`;
	}
	if ((ignored & bit) !== 0n) return `it ignores ${signal}`;
	return `${signal} would end it, so it was not sent: it does not catch that signal, or not yet; a start script has to exec the server`;
}

/** The signals that a process catches, or has blocked to wait for them, and that it ignores: bit n-1 for signal n, proc_pid_status(5). */
function signalsOf(pid: number): { handled: bigint; ignored: bigint } {
	let status = '';
	try {
		status = readFileSync(`/proc/${pid}/status`, 'latin1');
	} catch {
		// It has ended, or cannot be seen: then nothing is known of it.
	}
	const mask = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]{1,32})$`, 'm').exec(status)?.[1] ?? '0'}`);
	return { handled: mask('SigCgt') | mask('SigBlk'), ignored: mask('SigIgn') };
}

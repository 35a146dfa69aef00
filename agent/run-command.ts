/** Runs a command for a while: as the agent's user, with its environment, without input, in a process group of its own. */

import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { printable } from '#common/protocol/names.ts';

/** Processes that the agent waits for itself, so that nobody else does. */
export interface Children {
	began(pid: number): void;
	ended(pid: number): void;
}

const TIMEOUT_MS = 30_000;
/** For the end of one that is killed. It may run as somebody whom the agent may not kill, or hang in the kernel. */
const LAST_WAIT_MS = 1_000;
/** Of what it prints: enough for its last words. */
const KEPT_BYTES = 4096;
const SHOWN_CHARACTERS = 300;

/** @returns undefined when it ended with 0; else what became of it, half a sentence. @throws only the signal's reason */
export async function runCommand([program, ...args]: readonly [string, ...string[]], signal: AbortSignal, children: Children, timeoutMs = TIMEOUT_MS): Promise<string | undefined> {
	const deadline = AbortSignal.timeout(timeoutMs);
	let child: ChildProcess | undefined;
	try {
		child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
		const { pid } = child;
		if (pid !== undefined) {
			children.began(pid);
			child.once('exit', () => children.ended(pid));
		}
		const lastWords = keepEnd([child.stdout, child.stderr]);
		const end = await endOf(child, AbortSignal.any([signal, deadline]));
		if (signal.aborted) throw signal.reason;
		if (end === undefined) return `${program} did not end within ${timeoutMs / 1000} s, and the agent may not stop it${lastWords()}`;
		if (deadline.aborted) return `${program} did not end within ${timeoutMs / 1000} s and was stopped${lastWords()}`;
		const [code, by] = end;
		if (by !== null) return `${program} was ended by ${by}${lastWords()}`;
		return code === 0 ? undefined : `${program} ended with exit code ${code}${lastWords()}`;
	} catch (error) {
		if (signal.aborted) throw signal.reason;
		return `${program} could not be started (${error instanceof Error && 'code' in error ? String(error.code) : String(error)})`;
	} finally {
		child?.stdout?.destroy();
		child?.stderr?.destroy();
	}
}

/** Its end, not that of its output, which something that it left behind may hold open; undefined when it cannot be stopped. */
function endOf(child: ChildProcess, stop: AbortSignal): Promise<[code: number | null, by: NodeJS.Signals | null] | undefined> {
	return new Promise((resolve, reject) => {
		let lastWait: NodeJS.Timeout | undefined;
		const kill = (): void => {
			lastWait = setTimeout(resolve, LAST_WAIT_MS, undefined);
			try {
				// With all that it has started.
				if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
			} catch {
				// It has ended just now, or is out of reach.
			}
		};
		const settled = (): void => {
			stop.removeEventListener('abort', kill);
			clearTimeout(lastWait);
		};
		child.once('error', (error) => {
			settled();
			reject(error);
		});
		child.once('exit', (...end) => {
			settled();
			resolve(end);
		});
		if (stop.aborted) kill();
		else stop.addEventListener('abort', kill, { once: true });
	});
}

/** @returns the last line that was printed, to be put behind a sentence */
function keepEnd(streams: ReadonlyArray<Readable | null>): () => string {
	let kept = '';
	for (const stream of streams) {
		stream?.on('data', (chunk: Buffer) => (kept = (kept + chunk.toString('utf8')).slice(-KEPT_BYTES)));
		stream?.on('error', () => {});
	}
	return () => {
		const line = kept.trimEnd().split('\n').at(-1) ?? '';
		return line === '' ? '' : `: ${printable(line.slice(-SHOWN_CHARACTERS))}`;
	};
}

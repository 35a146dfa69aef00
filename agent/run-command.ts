/** Runs a command for a while: as the agent's user, with its environment, without input, in a process group of its own. */

import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { printable } from '#common/protocol/names.ts';

/** Processes that the agent waits for itself, so that nobody else does. */
export interface Children {
	began(pid: number): void;
	ended(pid: number): void;
}

const TIMEOUT_MS = 30_000;
/** Of what it prints: enough for its last words. */
const KEPT_BYTES = 4096;
const SHOWN_CHARACTERS = 300;

/** @returns undefined when it ended with 0; else what became of it, half a sentence. @throws only the signal's reason */
export async function runCommand([program, ...args]: readonly [string, ...string[]], signal: AbortSignal, children: Children, timeoutMs = TIMEOUT_MS): Promise<string | undefined> {
	const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
	const { pid } = child;
	if (pid !== undefined) children.began(pid);
	const lastWords = keepEnd([child.stdout, child.stderr]);
	const deadline = AbortSignal.timeout(timeoutMs);
	const ended = AbortSignal.any([signal, deadline]);
	const kill = () => {
		try {
			if (pid !== undefined) process.kill(-pid, 'SIGKILL');
		} catch {
			// All of it has ended.
		}
	};
	ended.addEventListener('abort', kill, { once: true });
	try {
		// Its end, not that of its output, which something that it left behind may hold open.
		const [code, by] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
			child.once('error', reject);
			child.once('exit', (...end) => resolve(end));
		});
		if (signal.aborted) throw signal.reason;
		if (deadline.aborted) return `${program} did not end within ${timeoutMs / 1000} s and was stopped${lastWords()}`;
		if (by !== null) return `${program} was ended by ${by}${lastWords()}`;
		return code === 0 ? undefined : `${program} ended with exit code ${code}${lastWords()}`;
	} catch (error) {
		if (signal.aborted) throw signal.reason;
		return `${program} could not be started (${error instanceof Error && 'code' in error ? String(error.code) : String(error)})`;
	} finally {
		ended.removeEventListener('abort', kill);
		child.stdout.destroy();
		child.stderr.destroy();
		if (pid !== undefined) children.ended(pid);
	}
}

/** @returns the last line that was printed, to be put behind a sentence */
function keepEnd(streams: readonly Readable[]): () => string {
	let kept = '';
	for (const stream of streams) {
		stream.on('data', (chunk: Buffer) => (kept = (kept + chunk.toString('utf8')).slice(-KEPT_BYTES)));
		stream.on('error', () => {});
	}
	return () => {
		const line = kept.trimEnd().split('\n').at(-1) ?? '';
		return line === '' ? '' : `: ${printable(line.slice(-SHOWN_CHARACTERS))}`;
	};
}

/** The `birthmark` command as a process of its own, as an operator runs it. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './ca.ts';

export const COMMAND = fileURLToPath(new URL('../../bin/birthmark', import.meta.url));

export interface Ran {
	/** null when a signal ended it */
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
	/** standard output as JSON */
	json<T = Record<string, unknown>>(): T;
}

export interface RunOptions {
	/** standard input; closed at once when absent */
	readonly input?: string;
	readonly env?: Readonly<Record<string, string>>;
	readonly onStart?: (child: ChildProcess) => void;
}

export type Command = (args: readonly string[], options?: RunOptions) => Promise<Ran>;

/**
 * A command with a home of its own: no login, no CA, no engine.
 *
 * @param always put before the arguments of each call
 */
export function newCommand(t: { teardown(clean: () => unknown): void }, ...always: string[]): Command & { readonly home: string } {
	const home = temporaryFolder(t);
	const run: Command = async (args, { input = '', env = {}, onStart } = {}) => {
		const child = spawn(COMMAND, [...always, ...args], {
			env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], HOME: home, BIRTHMARK_HOME: home, DOCKER_HOST: 'unix:///nonexistent/docker.sock', ...env },
			stdio: ['pipe', 'pipe', 'pipe'],
		});
		t.teardown(() => child.kill('SIGKILL'));
		const closed = once(child, 'close');
		const output = { stdout: '', stderr: '' };
		for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => void (output[name] += chunk.toString()));
		child.stdin.on('error', () => {}); // it may have ended without reading
		if (onStart) onStart(child);
		else child.stdin.end(input);
		const [code] = await closed as [number | null];
		return { code, ...output, json: <T>() => JSON.parse(output.stdout) as T };
	};
	return Object.assign(run, { home });
}

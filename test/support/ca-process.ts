/** A CA as a process of its own, to be ended in every way that a process can end. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { clientOf, type TestCa } from './ca.ts';

export const CA_MAIN = fileURLToPath(new URL('../../ca/main.ts', import.meta.url));

export interface CaProcess {
	readonly child: ChildProcess;
	readonly ca: ReturnType<typeof clientOf> & Pick<TestCa, 'port' | 'bundle' | 'adminSocket'>;
	/** what it wrote to standard output so far */
	output(): string;
	/** what it logged so far, one line each */
	log(): readonly string[];
	/** kill -9; resolves when it is gone */
	kill(): Promise<void>;
	/** SIGTERM; resolves with its exit code */
	stop(): Promise<number | null>;
}

export interface CaProcessOptions {
	readonly environment?: Readonly<Record<string, string>>;
	/** command line that leads the program's own, e.g. to another namespace */
	readonly enter?: readonly string[];
	/** the program, when it is not the source */
	readonly main?: string;
	/** the state folder as this process sees it, where that is not as the program does */
	readonly seenState?: string;
}

/** Starts `serve` without waiting for anything; a CA is made where there is none. */
export function spawnCa(state: string, { environment = {}, enter = [], main = CA_MAIN }: CaProcessOptions = {}): ChildProcess {
	const [command, ...args] = [...enter, process.execPath, main, 'serve', '--state', state, '--init'];
	return spawn(command!, args, {
		env: { ...process.env, BIRTHMARK_CA_LISTEN_HOST: '127.0.0.1', BIRTHMARK_CA_LISTEN_PORT: '0', ...environment },
		stdio: ['ignore', 'pipe', 'pipe'],
	});
}

/**
 * Starts `serve` and waits until it says that it is ready.
 *
 * @throws Error with its last words when it ends before
 */
export async function startCaProcess(t: { teardown(clean: () => unknown): void }, state: string, options: CaProcessOptions = {}): Promise<CaProcess> {
	const child = spawnCa(state, options);
	const exited = once(child, 'exit') as Promise<[number | null]>;
	const isGone = () => child.exitCode !== null || child.signalCode !== null;
	const kill = async () => {
		if (!isGone()) child.kill('SIGKILL');
		await exited;
	};
	t.teardown(kill);
	let output = '';
	child.stdout!.on('data', (chunk: Buffer) => void (output += chunk.toString()));
	const lines: string[] = [];
	const port = await new Promise<number>((resolve, reject) => {
		createInterface({ input: child.stderr! }).on('line', (line) => {
			lines.push(line);
			const ready = readyLine(line);
			if (ready !== undefined) resolve(ready);
		}).on('close', () => reject(new Error(`the CA ended before it was ready: ${lines.slice(-5).join('\n')}`)));
	});
	const adminSocket = join(options.seenState ?? state, 'admin.sock');
	const target = { port, adminSocket, bundle: await bundleOf(adminSocket) };
	return {
		child,
		ca: { ...target, ...clientOf(target) },
		output: () => output,
		log: () => lines,
		kill,
		async stop() {
			child.kill('SIGTERM');
			return (await exited)[0];
		},
	};
}

/** @returns the port, when this is the line that says it */
function readyLine(line: string): number | undefined {
	if (!line.startsWith('{')) return undefined;
	const { message, address } = JSON.parse(line) as { message?: string; address?: string };
	return message === 'ready' ? Number(address!.split(':').at(-1)) : undefined;
}

function bundleOf(adminSocket: string): Promise<Buffer> {
	return new Promise((resolve, reject) => {
		request({ socketPath: adminSocket, path: '/v1/roots', agent: false }, (answer) => {
			const chunks: Buffer[] = [];
			answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve(Buffer.concat(chunks))).on('error', reject);
		}).on('error', reject).end();
	});
}

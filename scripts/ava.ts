/** Runs tests with ava, and counts what its reporter says. */

import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { failuresIn } from './failures.ts';
import { BUILD, PROJECT } from './paths.ts';

const AVA = join(PROJECT, 'node_modules/.bin/ava');

/** Where Node keeps what it made of each source: hundreds of processes load the same ones. */
const COMPILED = join(BUILD, 'compile-cache');

/** What stories are told to have left behind, whether or not they failed (test/support/whole-engine.ts): ava prints there what tests print. */
const LEFT_BEHIND = /^✘ the engine that the stories before left behind.*$/gm;

/** As nice(1) counts: a third of what others get where there is not enough for all. */
const YIELDING = 5;

export interface Count {
	readonly passed: number;
	readonly failed: number;
	/** what is said about those that failed */
	readonly failures: string;
}

export interface AvaOptions {
	readonly environment?: Readonly<Record<string, string>>;
	/** others on this machine come first */
	readonly yields?: boolean;
	/** ends it before its time */
	readonly signal?: AbortSignal;
}

/** @param print gets ava's own output as it comes */
export function ava(args: readonly string[], print: (chunk: string) => void, { environment = {}, yields = false, signal }: AvaOptions = {}): Promise<Count> {
	return new Promise((resolve, reject) => {
		// What was built is there, so a test that cannot find it is at fault, and not skipped.
		const child = spawn(AVA, args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_COMPILE_CACHE: COMPILED, BIRTHMARK_REQUIRE_POSTGRES: '1', ...environment } });
		if (yields && child.pid !== undefined) setPriority(child.pid, YIELDING);
		const end = (): void => void child.kill();
		signal?.addEventListener('abort', end, { once: true });
		let output = '';
		child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
			output += chunk;
			print(chunk);
		});
		let printed = '';
		child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
			printed += chunk;
			print(chunk);
		});
		child.on('error', reject);
		child.on('close', (code) => {
			signal?.removeEventListener('abort', end);
			resolve(count(output, printed.match(LEFT_BEHIND) ?? [], code));
		});
	});
}

function count(output: string, leftBehind: readonly string[], code: number | null): Count {
	const number = (pattern: RegExp): number => Number(output.match(pattern)?.[1] ?? 0);
	// The summary leaves out how many passed when some failed.
	const passed = output.match(/^\s*✔ /gm)?.length ?? 0;
	const failed = number(/^\s*(\d+) tests? failed/m) + number(/^\s*(\d+) uncaught exceptions?/m) + number(/^\s*(\d+) unhandled rejections?/m) + number(/^\s*(\d+) hooks? failed/m) + leftBehind.length;
	// Whatever else ava is unhappy about (no tests found, a file that does not load) counts as one failure.
	return { passed, failed: failed > 0 || code === 0 ? failed : 1, failures: failuresIn(output) + leftBehind.map((line) => line + '\n').join('') };
}

/** Runs tests with ava, and knows what became of each. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import tmp from 'tmp';
import { isFault, type Fact, type Results } from './facts.ts';
import { failuresIn } from './failures.ts';
import { FACTS } from './observed-run.ts';
import { BUILD, PROJECT } from './paths.ts';

const AVA = join(PROJECT, 'node_modules/.bin/ava');

/** Where Node keeps what it made of each source: hundreds of processes load the same ones. */
const COMPILED = join(BUILD, 'compile-cache');

/** What stories are told to have left behind, whether or not they failed (test/support/whole-engine.ts): ava prints there what tests print. */
const LEFT_BEHIND = /^✘ the engine that the stories before left behind.*$/gm;

/** As nice(1) counts: a third of what others get where there is not enough for all. */
const YIELDING = 5;

export interface AvaOptions {
	readonly environment?: Readonly<Record<string, string>>;
	/** others on this machine come first */
	readonly yields?: boolean;
	/** ends it before its time */
	readonly signal?: AbortSignal;
}

/**
 * @param args `--config` with what is observed (observed-run.ts), and which files, if not all
 * @param print gets ava's own output as it comes
 */
export async function ava(args: readonly string[], print: (chunk: string) => void, { environment = {}, yields = false, signal }: AvaOptions = {}): Promise<Results> {
	const facts = tmp.fileSync({ prefix: 'birthmark-facts-' });
	try {
		// What was built is there, so a test that cannot find it is at fault, and not skipped.
		const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED, BIRTHMARK_REQUIRE_POSTGRES: '1', ...environment, [FACTS]: facts.name };
		const { output, printed, end } = await run(args, env, print, yields, signal);
		const leftBehind = printed.match(LEFT_BEHIND) ?? [];
		return { facts: factsIn(facts.name, end), leftBehind, details: failuresIn(output) + leftBehind.map((line) => line + '\n').join('') };
	} finally {
		facts.removeCallback();
	}
}

interface Ended {
	readonly output: string;
	/** by the tests themselves */
	readonly printed: string;
	/** an exit code, or the signal that ended it */
	readonly end: number | NodeJS.Signals;
}

function run(args: readonly string[], env: NodeJS.ProcessEnv, print: (chunk: string) => void, yields: boolean, signal: AbortSignal | undefined): Promise<Ended> {
	return new Promise((resolve, reject) => {
		const child = spawn(AVA, args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'pipe'], env });
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
		child.on('close', (code, killedBy) => {
			signal?.removeEventListener('abort', end);
			resolve({ output, printed, end: killedBy ?? code! });
		});
	});
}

function factsIn(path: string, end: Ended['end']): Fact[] {
	const facts = readFileSync(path, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Fact);
	// Whatever else ava is unhappy about (no tests found, an end before its time) counts as one failure, and so does what it kept to itself.
	const isWhole = end === 0 ? facts.length > 0 : typeof end === 'number' && facts.some(isFault);
	return isWhole ? facts : [...facts, { title: 'ava', error: `ended with ${end} and told of ${facts.length} tests` }];
}

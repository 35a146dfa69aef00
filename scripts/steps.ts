/** Progress for people: one line a step with its time; everything that programs print goes to a log file. */

import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { spawn } from 'node:child_process';

/** A step that failed in a way that we can explain: what went wrong, what to do. */
export class StepError extends Error {
	readonly remedy: string;

	constructor(message: string, remedy: string, options?: { cause?: unknown }) {
		super(message, options);
		this.name = 'StepError';
		this.remedy = remedy;
	}
}

export interface RunOptions {
	readonly env?: Readonly<Record<string, string>>;
	readonly cwd?: string;
	readonly input?: string;
	/** do not throw on an exit code other than 0; a program that is not there has 127, as in a shell */
	readonly mayFail?: boolean;
	/** what the program prints, a secret or a lot, is returned but not logged */
	readonly quiet?: boolean;
}

export interface RunResult {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

export class Steps {
	readonly #logFile: string;
	readonly #total: number;
	#number = 0;

	/** @param total how many steps there will be; without it they are not numbered */
	constructor(logFile: string, total = 0) {
		mkdirSync(dirname(logFile), { recursive: true });
		this.#logFile = logFile;
		this.#total = total;
	}

	get logFile(): string {
		return this.#logFile;
	}

	log(text: string): void {
		appendFileSync(this.#logFile, text.endsWith('\n') ? text : text + '\n');
	}

	/** Runs one step and prints its line: while it runs its title, at the end the time and what `work` returned. */
	async step<T>(title: string, work: () => Promise<T>, summary: (value: T) => string = () => ''): Promise<T> {
		const label = this.#total > 0 ? `[${++this.#number}/${this.#total}] ${title}` : title;
		const live = process.stdout.isTTY === true;
		if (live) process.stdout.write(`${label} …`);
		this.log(`\n== ${new Date().toISOString()} ${label}`);
		const started = performance.now();
		const seconds = () => ((performance.now() - started) / 1000).toFixed(1);
		try {
			const value = await work();
			const extra = summary(value);
			process.stdout.write(`${live ? '\r\u001b[K' : ''}${label} (${seconds()} s)${extra === '' ? '' : `: ${extra}`}\n`);
			return value;
		} catch (error) {
			process.stdout.write(`${live ? '\r\u001b[K' : ''}${label} (${seconds()} s): failed\n`);
			this.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
			throw error;
		}
	}

	/** Runs a program; its output goes to the log file and is returned. */
	run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
		this.log(`$ ${command} ${args.join(' ')}`);
		return new Promise((resolve, reject) => {
			const child = spawn(command, args, { env: { ...process.env, ...options.env }, cwd: options.cwd, stdio: ['pipe', 'pipe', 'pipe'] });
			const stdout: Buffer[] = [];
			const stderr: Buffer[] = [];
			child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
			child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
			// A program that ends without reading its input is judged by its exit code.
			child.stdin.on('error', () => {});
			child.stdin.end(options.input ?? '');
			child.on('error', (cause: NodeJS.ErrnoException) => {
				this.log(cause.message);
				if (options.mayFail && cause.code === 'ENOENT') return resolve({ code: 127, stdout: '', stderr: cause.message });
				reject(new StepError(`${command} could not be started: ${cause.message}`, `see ${this.#logFile}`, { cause }));
			});
			child.on('close', (code, signal) => {
				if (child.pid === undefined) return; // never started: see above
				const result = { code: code ?? 128, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
				this.log(options.quiet ? `(${result.stdout.length} characters not logged)\n${result.stderr}` : result.stdout + result.stderr);
				if (result.code === 0 || options.mayFail) return resolve(result);
				const last = (result.stderr.trim() || result.stdout.trim()).split('\n').at(-1) ?? '';
				reject(new StepError(`${command} ${args[0] ?? ''} ended with ${signal ?? result.code}: ${last}`, `the whole output is in ${this.#logFile}`));
			});
		});
	}
}

/** Runs `main`; a failure becomes one line and its remedy, and the exit code 1. */
export function runMain(main: () => Promise<void>, logFile: () => string | undefined): void {
	main().catch((error: unknown) => {
		const message = error instanceof Error ? error.message : String(error);
		const log = logFile();
		const remedy = error instanceof StepError ? error.remedy : log ? `the details are in ${log}` : 'run it again; if it fails again, please report it';
		process.stderr.write(`error: ${message}\n  what to do: ${remedy}\n`);
		process.exitCode = 1;
	});
}

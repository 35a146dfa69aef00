/**
 * The agents of containers in which no foreign code runs (`birthmark.agent=node`): the node makes the key
 * on that container's tmpfs and renews it, by the same agent that other containers run themselves, one
 * process for each. A documented weaker promise: docs/adr/0040.
 *
 * The agent takes the tmpfs, its working directory, for the root of all file names, and the user of the
 * container for its own, before it looks at anything there (agent/confine.ts). It ends with its standard
 * input, so that none outlives a plugin that was killed.
 */

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { BirthmarkError, isErrorCode } from '#common/protocol/errors.ts';
import { IDENTITY_DIRECTORY, VolumeFile } from '#common/protocol/volume-files.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { IdentityRecord } from '../records.ts';

/** Where its loader wants it, here as in a container (scripts/plugin.ts). */
export const AGENT = join(IDENTITY_DIRECTORY, VolumeFile.agentDirectory, 'birthmark-agent');
/** How long it may try to reach the CA at the birth, and until it must have said that the identity is there. */
const ENROL_SECONDS = 20;
const READY_MS = 30_000;
const LAST_WORDS_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 300_000;
const SENTENCE = /^birthmark: (.*) \[([a-z-]+)\]$/;

/** One process. */
interface Run {
	/** when the identity is in place, if ever */
	readonly ready: Promise<true>;
	readonly ended: Promise<void>;
	/** the last line of its standard error, or why it could not be started */
	readonly lastWords: () => string;
	end(): Promise<void>;
}

interface Entry {
	readonly run: Run;
	/** until the next one is started */
	timer?: NodeJS.Timeout;
}

export type Kept = Pick<IdentityRecord, 'volume' | 'commonName' | 'uid' | 'gid'>;

export interface KeepersDeps {
	readonly logger: Pick<Logger, 'info' | 'warn'>;
	/** the program, other ones for tests */
	readonly agent?: string;
	readonly readyMs?: number;
	readonly firstRetryMs?: number;
}

export interface Keepers {
	/**
	 * Resolves when the identity is in place, and is kept renewed from then on.
	 *
	 * @param directory the container's tmpfs, with a token in it
	 * @param withinMs how long the engine goes on waiting
	 * @throws BirthmarkError what the agent says; nothing runs then
	 */
	start(identity: Kept, directory: string, withinMs: number): Promise<void>;
	/** Takes up an identity that is there, or is to be tried for again and again. */
	resume(identity: Kept, directory: string): void;
	/** Resolves when nothing runs any more for this volume. */
	stop(volume: string): Promise<void>;
	close(): Promise<void>;
}

export function createKeepers({ logger, agent = AGENT, readyMs = READY_MS, firstRetryMs = FIRST_RETRY_MS }: KeepersDeps): Keepers {
	const kept = new Map<string, Entry>();

	function begin({ volume, commonName, uid, gid }: Kept, directory: string, enrolSeconds = ENROL_SECONDS): Run {
		let child: ChildProcessWithoutNullStreams;
		try {
			child = startProcess(agent, ['keep', '--as', `${uid}:${gid}`, '--timeout', String(enrolSeconds)], directory);
		} catch (error) {
			return neverRan(error);
		}
		let lastWords = '';
		const ended = new Promise<void>((resolve) => {
			child.once('close', resolve).once('error', (error) => {
				lastWords = error.message;
				resolve();
			});
		});
		const ready = new Promise<true>((resolve) => child.stdout.once('data', () => resolve(true)));
		// Nobody reads there any more.
		child.stdin.on('error', () => {});
		createInterface({ input: child.stderr }).on('line', (line) => {
			if (line.trim() !== '') lastWords = line;
			const said = messageOf(line);
			if (said !== undefined) logger.warn('the agent of a container says', { volume, commonName, reason: said });
		});
		// Nothing that it does wants to be finished: what it publishes is there whole or not at all.
		const end = (): Promise<void> => (child.kill('SIGKILL'), ended);
		return { ready, ended, lastWords: () => lastWords, end };
	}

	/** From now on it is started again whenever it ends. */
	function watch(identity: Kept, directory: string, run: Run, retryMs = firstRetryMs): void {
		const { volume, commonName } = identity;
		const entry: Entry = { run };
		kept.set(volume, entry);
		let isReady = false;
		void run.ready.then(() => (isReady = true));
		void run.ended.then(() => {
			if (kept.get(volume) !== entry) return;
			// One that came as far as to be ready may have been killed; one that did not will hardly come further the next time.
			const delay = isReady ? firstRetryMs : retryMs;
			logger.warn('the agent of a container has ended; it is started again', { volume, commonName, seconds: delay / 1000, reason: run.lastWords() });
			entry.timer = setTimeout(() => watch(identity, directory, begin(identity, directory), Math.min(delay * 2, LAST_RETRY_MS)), delay);
		});
	}

	const stop: Keepers['stop'] = async (volume) => {
		const entry = kept.get(volume);
		kept.delete(volume);
		clearTimeout(entry?.timer);
		await entry?.run.end();
	};

	return {
		async start(identity, directory, withinMs) {
			await stop(identity.volume);
			const limitMs = Math.min(readyMs, withinMs);
			// What it says at its own end tells more.
			const run = begin(identity, directory, Math.max(1, Math.min(ENROL_SECONDS, Math.floor((limitMs - LAST_WORDS_MS) / 1000))));
			const waiting = new AbortController();
			const late = sleep(limitMs, false, { signal: waiting.signal }).catch(() => false);
			const isReady = await Promise.race([run.ready, run.ended.then(() => false), late]).finally(() => waiting.abort());
			if (isReady) return watch(identity, directory, run);
			await run.end();
			throw failure(run.lastWords());
		},
		resume(identity, directory) {
			watch(identity, directory, begin(identity, directory));
		},
		stop,
		close: async () => void (await Promise.all([...kept.keys()].map(stop))),
	};
}

/** @throws Error when there is no memory or no descriptor for it */
function startProcess(program: string, args: readonly string[], directory: string): ChildProcessWithoutNullStreams {
	const child = spawn(program, args, { cwd: directory, env: {}, stdio: ['pipe', 'pipe', 'pipe'] });
	// Without descriptors there are no pipes, and the error comes later, to whoever listens.
	if ((child.stderr as unknown) == null) {
		child.on('error', () => {});
		throw new Error('there are no file descriptors for it');
	}
	return child;
}

/** One that may be started when there is room for it. */
function neverRan(error: unknown): Run {
	const words = error instanceof Error ? error.message : String(error);
	return { ready: new Promise(() => {}), ended: Promise.resolve(), lastWords: () => words, end: () => Promise.resolve() };
}

/** What it says in a line of its log. */
function messageOf(line: string): string | undefined {
	try {
		const { message } = JSON.parse(line) as { message?: unknown };
		return typeof message === 'string' ? message : undefined;
	} catch {
		return undefined;
	}
}

/** The sentence with which the agent ends, as its own error. */
function failure(lastWords: string): BirthmarkError {
	const [, sentence, code = ''] = SENTENCE.exec(lastWords) ?? [];
	if (sentence !== undefined && isErrorCode(code)) return new BirthmarkError(code, `the agent that the node runs for this container: ${sentence}`);
	return new BirthmarkError('mount-failed', `the agent that the node runs for this container did not get an identity in time (${lastWords || 'it said nothing'})`);
}

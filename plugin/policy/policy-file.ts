/**
 * The policy file of the host, as it is at the moment of each decision: looked at every time, read
 * again when it has changed. What cannot be relied on decides nothing (`policy-invalid`): a file with
 * a fault, one that others may write, one that was there and is gone.
 */

import { createHash } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { MAX_POLICY_BYTES } from '#common/policy/bounds.ts';
import type { Policy, PolicySource } from '#common/policy/policy.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';
import type { Logger } from '#common/runtime/log.ts';
import { resolveOnHost } from '../authz/host-paths.ts';

/** Two changes within one tick of the file system's clock leave the same times. */
const SETTLED_MS = 100;
const NONE = 'none';

export interface PolicyFileDeps {
	/** as people name it on the host */
	readonly path: string;
	/** where the host's file system is seen */
	readonly hostRoot: string;
	/** remembers, over restarts, that there was a file */
	readonly markerPath: string;
	/** makes rules of it; undefined: there is no file. @throws BirthmarkError `policy-invalid` */
	readonly load: (file: PolicySource | undefined) => Promise<Policy>;
	readonly now: () => number;
	readonly logger: Pick<Logger, 'info' | 'warn'>;
}

export interface PolicyFile {
	readonly path: string;
	/** The rules in force now. @throws BirthmarkError `policy-invalid` */
	current(): Promise<Policy>;
	/** Looks without a decision to make, so that a fault is known before it hurts. Never throws. */
	refresh(): Promise<void>;
	/** what the last look found: `none`, the SHA-256 of the file, or what is wrong with it; undefined before the first */
	state(): string | undefined;
}

interface Loaded {
	/** changes with the file */
	readonly fingerprint: string;
	readonly state: string;
	readonly policy: Policy | BirthmarkError;
}

export function createPolicyFile({ path, hostRoot, markerPath, load, now, logger }: PolicyFileDeps): PolicyFile {
	let loaded: Loaded | undefined;
	let builtin: Promise<Policy> | undefined;
	let state: string | undefined;
	let looking: Promise<unknown> = Promise.resolve();

	/** @returns undefined when there is no file, and never was */
	async function look(): Promise<Loaded | undefined> {
		const handle = await openFile();
		if (!handle) {
			if (remembered() === path) throw invalid(`${path} was there and is gone`, undefined, 'put it back, or write a new one (birthmark policy init)');
			return undefined;
		}
		try {
			const { fingerprint, changedMs } = await describe(handle);
			if (loaded?.fingerprint === fingerprint) return loaded;
			if (remembered() !== path) await writeFileAtomic(markerPath, path, 0o600);
			const bytes = await handle.readFile();
			const fresh = { fingerprint, state: createHash('sha256').update(bytes).digest('hex'), policy: await make(bytes) };
			loaded = now() - changedMs > SETTLED_MS ? fresh : undefined;
			return fresh;
		} finally {
			await handle.close();
		}
	}

	async function openFile(): Promise<FileHandle | undefined> {
		const resolved = await resolveOnHost(hostRoot, path);
		if (resolved === undefined) throw invalid(`${path} is a chain of symbolic links without end`);
		try {
			// What is no file, e.g. a pipe that nobody writes to, must not keep the answer waiting.
			return await open(hostRoot + resolved, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
		} catch (cause) {
			if (codeOf(cause) !== 'ENOENT') throw invalid(`${path} cannot be read (${codeOf(cause)})`, cause);
			// Where the host cannot be seen at all, nothing can be said about its files.
			await stat(`${hostRoot}/`).catch((error: unknown) => Promise.reject(invalid(`${path} cannot be looked for: the host's file system cannot be seen (${codeOf(error)})`, error)));
			return undefined;
		}
	}

	async function describe(handle: FileHandle): Promise<{ fingerprint: string; changedMs: number }> {
		const { dev, ino, size, mtimeNs, ctimeNs, uid, mode } = await handle.stat({ bigint: true });
		if ((mode & 0o170000n) !== 0o100000n) throw invalid(`${path} is no file`);
		if (size > MAX_POLICY_BYTES) throw invalid(`${path} is larger than ${MAX_POLICY_BYTES / 1024} KiB`);
		if (uid !== 0n || (mode & 0o022n) !== 0n) throw invalid(`${path} can be written by others than root`, undefined, `chown root ${path} and chmod go-w ${path}`);
		return { fingerprint: [dev, ino, size, mtimeNs, ctimeNs, mode].join(), changedMs: Number(ctimeNs / 1_000_000n) };
	}

	/** A fault is remembered like a policy: it is as lasting as the file. */
	async function make(bytes: Uint8Array): Promise<Policy | BirthmarkError> {
		try {
			return await load({ path, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) });
		} catch (error) {
			if (error instanceof BirthmarkError) return error;
			if (error instanceof TypeError && codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA') return invalid(`${path} is not valid UTF-8`, error);
			throw error;
		}
	}

	/** Of any other fault than its absence nothing follows, least of all that there never was a file. */
	function remembered(): string | undefined {
		try {
			return readFileSync(markerPath, 'utf8');
		} catch (cause) {
			if (codeOf(cause) === 'ENOENT') return undefined;
			throw invalid(`whether ${path} was there before cannot be known (${codeOf(cause)})`, cause);
		}
	}

	function note(newest: string): void {
		if (newest === state) return;
		state = newest;
		if (newest === NONE) logger.info('there is no policy file: the built-in rules hold', { path });
		else if (/^[0-9a-f]{64}$/.test(newest)) logger.info('policy in force', { path, digest: newest });
		else logger.warn('the policy is faulty: nothing that needs a permit is permitted', { path, reason: newest });
	}

	async function lookAndNote(): Promise<Loaded | undefined> {
		try {
			const found = await look();
			note(!found ? NONE : found.policy instanceof BirthmarkError ? found.policy.message : found.state);
			return found;
		} catch (error) {
			note(error instanceof BirthmarkError ? error.message : `the policy ${path} could not be looked at`);
			throw error;
		}
	}

	/** One look after the other; each begins after it was asked for. */
	function next(): Promise<Loaded | undefined> {
		const mine = looking.then(lookAndNote);
		looking = mine.catch(() => undefined);
		return mine;
	}

	return {
		path,
		async current() {
			const found = await next();
			if (!found) return (builtin ??= load(undefined));
			if (found.policy instanceof BirthmarkError) throw found.policy;
			return found.policy;
		},
		async refresh() {
			await next().catch(() => undefined);
		},
		state: () => state,
	};
}

function invalid(what: string, cause?: unknown, remedy = 'mend that: meanwhile nothing that needs a permit is permitted'): BirthmarkError {
	return new BirthmarkError('policy-invalid', `the policy ${what}; ${remedy}`, { cause });
}

function codeOf(error: unknown): string {
	return (error as NodeJS.ErrnoException).code ?? 'unknown';
}

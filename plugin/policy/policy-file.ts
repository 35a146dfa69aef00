/**
 * The policy file of the host, as it is at the moment of each decision: looked at every time, read
 * again when it has changed. What cannot be relied on decides nothing (`policy-invalid`): a file with
 * a fault, one that others may write, one that was there and is gone.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Policy, PolicySource } from '#common/policy/policy.ts';
import { resolveOnHost } from '../authz/host-paths.ts';

const MAX_BYTES = 256 * 1024;
/** Two changes within one tick of the file system's clock leave the same times. */
const SETTLED_MS = 100;

export interface PolicyFileDeps {
	/** as people name it on the host */
	readonly path: string;
	/** where the host's file system is seen */
	readonly hostRoot: string;
	/** remembers, over restarts, that there was a file */
	readonly markerPath: string;
	/** makes rules of it; called for each change, and once without a file. @throws BirthmarkError `policy-invalid` */
	readonly load: (file: PolicySource | undefined) => Promise<Policy>;
}

/** `none`, the SHA-256 of the file in force, or what is wrong with it. */
export interface PolicyFile {
	readonly path: string;
	/** @throws BirthmarkError `policy-invalid` */
	current(): Promise<Policy>;
	/** what the last look found, for people; undefined before the first */
	state(): string | undefined;
}

interface Look {
	readonly fingerprint: string;
	readonly changedMs: number;
}

export function createPolicyFile({ path, hostRoot, markerPath, load }: PolicyFileDeps): PolicyFile {
	let known: { readonly fingerprint: string; readonly policy: Promise<Policy>; readonly state: string } | undefined;
	let state: string | undefined;
	let reading: Promise<Policy> | undefined;

	/** @returns undefined when there is none */
	async function openFile(): Promise<FileHandle | undefined> {
		const resolved = await resolveOnHost(hostRoot, path);
		if (resolved === undefined) throw invalid(`${path} is a chain of symbolic links without end`);
		try {
			return await open(hostRoot + resolved, 'r');
		} catch (cause) {
			if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw invalid(`${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
			// Where the host cannot be seen at all, nothing can be said about its files.
			await stat(`${hostRoot}/`).catch((error: unknown) => Promise.reject(invalid('the file system of the host cannot be seen', error)));
			return undefined;
		}
	}

	async function look(handle: FileHandle): Promise<Look> {
		const { dev, ino, size, mtimeNs, ctimeNs, uid, mode } = await handle.stat({ bigint: true });
		if ((mode & 0o170000n) !== 0o100000n) throw invalid(`${path} is no file`);
		if (size > MAX_BYTES) throw invalid(`${path} is larger than ${MAX_BYTES / 1024} KiB`);
		if (uid !== 0n || (mode & 0o022n) !== 0n) throw invalid(`${path} can be written by others than root; chown root ${path} and chmod go-w ${path}`);
		return { fingerprint: [dev, ino, size, mtimeNs, ctimeNs].join(), changedMs: Number(ctimeNs / 1_000_000n) };
	}

	async function read(): Promise<Policy> {
		const handle = await openFile();
		if (!handle) return absent();
		try {
			const { fingerprint, changedMs } = await look(handle);
			if (known?.fingerprint === fingerprint) {
				state = known.state;
				return await known.policy;
			}
			const bytes = await handle.readFile();
			const policy = load({ path, text: decode(bytes) });
			if (Date.now() - changedMs > SETTLED_MS) known = { fingerprint, policy, state: createHash('sha256').update(bytes).digest('hex') };
			await remember();
			await policy;
			state = createHash('sha256').update(bytes).digest('hex');
			return await policy;
		} finally {
			await handle.close();
		}
	}

	function absent(): Promise<Policy> {
		if (markerText() === path) throw invalid(`${path} was there and is gone`, undefined, 'put it back, or write a new one (birthmark policy init)');
		if (known?.fingerprint !== 'none') known = { fingerprint: 'none', policy: load(undefined), state: 'none' };
		state = 'none';
		return known.policy;
	}

	function markerText(): string | undefined {
		try {
			return readFileSync(markerPath, 'utf8');
		} catch {
			return undefined;
		}
	}

	async function remember(): Promise<void> {
		if (markerText() !== path) await writeFile(markerPath, path, { flush: true });
	}

	function decode(bytes: Uint8Array): string {
		try {
			return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
		} catch (cause) {
			throw invalid(`${path} is not valid UTF-8`, cause);
		}
	}

	return {
		path,
		current() {
			// Whoever asks while a look is under way gets the next one: the file may have changed since that began.
			reading = (reading ?? Promise.resolve()).then(read, read).catch((error: unknown) => {
				state = error instanceof BirthmarkError ? error.message : 'it could not be loaded';
				throw error;
			});
			return reading;
		},
		state: () => state,
	};
}

function invalid(what: string, cause?: unknown, remedy = 'mend it: without it nothing that needs a permit is permitted'): BirthmarkError {
	return new BirthmarkError('policy-invalid', `the policy ${what}; ${remedy}`, { cause });
}

/**
 * Publication of an identity: all of it at once, or nothing.
 *
 *     .generation-7/{identity.pem,tls.key,tls.crt,ca.crt}
 *     current -> .generation-7
 *     identity.pem -> current/identity.pem     and so on for the others
 *
 * A rotation writes a new generation and switches by renaming one symlink, so that no name ever
 * shows a half-written file and identity.pem never a key beside another key's certificate. The
 * generation before stays: who resolved `current` just before the switch can finish reading.
 */

import { closeSync, fchmodSync, lstatSync, mkdirSync, openSync, readdirSync, readlinkSync, renameSync, rmdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileOwner } from '#common/protocol/publication.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import { filesOf, type GenerationFile } from './formats.ts';
import { giveTo } from './give-file.ts';
import { holdDirectory, holdWithin, readOrdinaryFile, type HeldDirectory } from './held-directory.ts';
import { readLeaf, type Identity } from './identity.ts';
import { isStorePassword, newStorePassword } from './pkcs12.ts';
import { DEFAULT_PUBLICATION, type Publication } from './publication.ts';
import { storeError, systemCode } from './store-error.ts';

const PREFIX = '.generation-';
const GENERATION = /^\.generation-(\d{1,15})$/;
const PRIVATE = 0o600;
const PUBLIC = 0o644;
/** Who may enter is decided by the mode of the identity directory itself. */
const GENERATION_MODE = 0o755;
/** What the application put in their place need not be small. */
const MAX_FILE_BYTES = 1024 * 1024;
/** What the agent reads in the generation before, and the name of its own copy where the other is not its own. */
const NEEDED_AGAIN: readonly string[] = [VolumeFile.key, VolumeFile.storePassword];
const OWN_COPY = 'agent.';
/** Gone, or something else in its place: a link, a directory, a pipe, what is far too large. */
const NO_FILE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'EINVAL', 'EFBIG', 'ENXIO']);

/**
 * Makes the identity visible in the directory.
 *
 * @throws BirthmarkError `directory-full` or `directory-unusable`; what was published before is
 * still there then, unchanged
 */
export function publish(directory: string, identity: Pick<Identity, 'key' | 'chain' | 'bundle'>, publication: Publication = DEFAULT_PUBLICATION): void {
	try {
		using(holdDirectory(directory), (root) => {
			const previous = currentGeneration(root);
			const next = Math.max(0, ...generations(root)) + 1;
			const name = PREFIX + next;
			const files = filesOf(identity, publication.formats, { folder: join(publication.seenAt ?? directory, name), storePassword: storePassword(root, previous) });
			mkdirSync(root.at(name), 0o700); // one that is there may be another agent's, which publishes right now: hands off
			try {
				using(holdWithin(root, name), (folder) => {
					fillGeneration(folder, files, publication);
					switchTo(root, folder, name, files);
				});
			} catch (error) {
				removeGeneration(root, name);
				throw error;
			}
			// Younger ones than the previous are left alone: `birthmark-agent renew` may be writing one right now.
			for (const old of generations(root)) if (previous !== undefined && old < previous) removeGeneration(root, PREFIX + old);
		});
	} catch (cause) {
		throw storeError(directory, cause);
	}
}

/**
 * The files of one generation, resolved once, so that they belong together.
 *
 * @returns the published identity, undefined when there is none, its files are gone or are no files
 * @throws BirthmarkError `directory-unusable`, `certificate-invalid`
 */
export function readIdentity(directory: string): Identity | undefined {
	try {
		return using(holdDirectory(directory), (root) => {
			const generation = currentGeneration(root);
			return generation === undefined ? undefined : using(holdWithin(root, PREFIX + generation), readGeneration);
		});
	} catch (cause) {
		if (NO_FILE.has(systemCode(cause))) return undefined;
		throw storeError(directory, cause);
	}
}

/** When the identity in use became visible; only after {@link readIdentity} found one. */
export function publishedAt(directory: string): Date {
	return lstatSync(join(directory, VolumeFile.current)).mtime;
}

function readGeneration(folder: HeldDirectory): Identity {
	const read = (name: string): Buffer => readOrdinaryFile(folder.at(name), MAX_FILE_BYTES);
	const chain = read(VolumeFile.certificate).toString('latin1');
	return { key: readOwn(folder, VolumeFile.key), chain, bundle: read(VolumeFile.bundle), leaf: readLeaf(chain) };
}

/** Stays the same: programs are told it once and read the stores again and again. */
function storePassword(root: HeldDirectory, previous: number | undefined): string {
	try {
		const text = using(holdWithin(root, PREFIX + previous), (folder) => readOwn(folder, VolumeFile.storePassword));
		if (isStorePassword(text)) return text;
	} catch {}
	return newStorePassword();
}

/** A secret that the agent needs again, from its own copy if there is one. */
function readOwn(folder: HeldDirectory, name: string): string {
	const read = (path: string): string => readOrdinaryFile(path, MAX_FILE_BYTES).toString('latin1');
	try {
		return read(folder.at(OWN_COPY + name));
	} catch (cause) {
		if (systemCode(cause) !== 'ENOENT') throw cause;
		return read(folder.at(name));
	}
}

function fillGeneration(folder: HeldDirectory, files: readonly GenerationFile[], { keyMode, owner }: Publication): void {
	const isGivenAway = owner !== undefined && owner.uid !== process.geteuid!();
	for (const { name, data, isSecret } of files) {
		writeNew(folder.at(name), data, isSecret ? keyMode : PUBLIC, owner);
		// Root that lacks the capability to read what is others' could not renew with the key that it gave away.
		if (isGivenAway && NEEDED_AGAIN.includes(name)) writeNew(folder.at(OWN_COPY + name), data, PRIVATE);
	}
	// Last: a directory that hands its group on does so no longer when somebody of another group changes its mode.
	fchmodSync(folder.fd, GENERATION_MODE);
}

function writeNew(path: string, data: string | Buffer, mode: number, owner?: FileOwner): void {
	const file = openSync(path, 'wx', PRIVATE);
	try {
		writeFileSync(file, data);
		fchmodSync(file, mode); // whatever the umask is
		if (owner) giveTo(owner, file);
	} finally {
		closeSync(file);
	}
}

function switchTo(root: HeldDirectory, folder: HeldDirectory, generation: string, files: readonly GenerationFile[]): void {
	// These lead nowhere until the first switch, so that all names appear at the same instant.
	for (const { name } of files) linkAtomically(root, folder, name, join(VolumeFile.current, name));
	linkAtomically(root, folder, VolumeFile.current, generation);
}

/** Points `name` to `target` in one step, whatever was there. */
function linkAtomically(root: HeldDirectory, folder: HeldDirectory, name: string, target: string): void {
	const temporary = folder.at(`.${name}`);
	symlinkSync(target, temporary);
	renameSync(temporary, root.at(name));
}

/** With its files, and no further: directories in it are the application's, and stay. */
function removeGeneration(root: HeldDirectory, name: string): void {
	tolerate(() => using(holdWithin(root, name), (folder) => {
		for (const entry of readdirSync(folder.at('.'))) tolerate(() => unlinkSync(folder.at(entry)));
	}));
	tolerate(() => rmdirSync(root.at(name)));
}

/** What cannot be removed takes room, and nothing else. */
function tolerate(remove: () => void): void {
	try {
		remove();
	} catch {}
}

function currentGeneration(root: HeldDirectory): number | undefined {
	try {
		const match = GENERATION.exec(readlinkSync(root.at(VolumeFile.current)));
		return match ? Number(match[1]) : undefined;
	} catch (cause) {
		// EINVAL: something that is no link, which the next publication replaces.
		if (['ENOENT', 'EINVAL'].includes(systemCode(cause))) return undefined;
		throw cause;
	}
}

function generations(root: HeldDirectory): number[] {
	return readdirSync(root.at('.')).flatMap((name) => GENERATION.exec(name)?.[1] ?? []).map(Number);
}

function using<T>(directory: HeldDirectory, work: (directory: HeldDirectory) => T): T {
	try {
		return work(directory);
	} finally {
		directory.close();
	}
}

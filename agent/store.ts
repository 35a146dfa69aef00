/**
 * Publication of an identity: all of it at once, or nothing.
 *
 *     .generation-7/{identity.pem,tls.key,tls.crt,ca.crt}
 *     current -> .generation-7
 *     identity.pem -> current/identity.pem     and so on for the other three
 *
 * A rotation writes a new generation and switches by renaming one symlink, so that no name ever
 * shows a half-written file and identity.pem never a key beside another key's certificate. The
 * generation before stays: who resolved `current` just before the switch can finish reading.
 */

import {
	chmodSync,
	closeSync,
	fchmodSync,
	lstatSync,
	mkdirSync,
	openSync,
	readFileSync,
	readdirSync,
	readlinkSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import { readLeaf, type Identity } from './identity.ts';

const PREFIX = '.generation-';
const GENERATION = /^\.generation-(\d{1,15})$/;
const PRIVATE = 0o600;
const PUBLIC = 0o644;
/** Who may enter is decided by the mode of the identity directory itself. */
const GENERATION_MODE = 0o755;
const PUBLISHED_NAMES = [VolumeFile.identity, VolumeFile.key, VolumeFile.certificate, VolumeFile.bundle];

/**
 * Makes the identity visible in the directory.
 *
 * @throws BirthmarkError `directory-full` or `directory-unusable`; what was published before is
 * still there then, unchanged
 */
export function publish(directory: string, { key, chain, bundle }: Pick<Identity, 'key' | 'chain' | 'bundle'>): void {
	const previous = currentGeneration(directory);
	const next = Math.max(0, ...generations(directory)) + 1;
	const folder = join(directory, PREFIX + next);
	try {
		mkdirSync(folder);
	} catch (cause) {
		throw describe(directory, cause); // it may be another agent's, which publishes right now: hands off
	}
	try {
		chmodSync(folder, GENERATION_MODE);
		writeNew(join(folder, VolumeFile.identity), key + chain, PRIVATE);
		writeNew(join(folder, VolumeFile.key), key, PRIVATE);
		writeNew(join(folder, VolumeFile.certificate), chain, PUBLIC);
		writeNew(join(folder, VolumeFile.bundle), bundle, PUBLIC);
		// These lead nowhere until the first switch, so that all four names appear at the same instant.
		for (const name of PUBLISHED_NAMES) linkAtomically(directory, name, join(VolumeFile.current, name), next);
		linkAtomically(directory, VolumeFile.current, PREFIX + next, next);
	} catch (cause) {
		rmSync(folder, { recursive: true, force: true });
		throw describe(directory, cause);
	}
	// Younger ones than the previous are left alone: `birthmark-agent renew` may be writing one right now.
	for (const old of generations(directory)) {
		if (previous !== undefined && old < previous) rmSync(join(directory, PREFIX + old), { recursive: true, force: true });
	}
}

/**
 * The files of one generation, resolved once, so that they belong together.
 *
 * @returns the published identity, undefined when there is none or its files are gone
 * @throws BirthmarkError `directory-unusable`, `certificate-invalid`
 */
export function readIdentity(directory: string): Identity | undefined {
	const generation = currentGeneration(directory);
	if (generation === undefined) return undefined;
	const folder = join(directory, PREFIX + generation);
	try {
		const chain = readFileSync(join(folder, VolumeFile.certificate), 'latin1');
		return {
			key: readFileSync(join(folder, VolumeFile.key), 'latin1'),
			chain,
			bundle: readFileSync(join(folder, VolumeFile.bundle)),
			leaf: readLeaf(chain),
		};
	} catch (cause) {
		if (systemCode(cause) === 'ENOENT') return undefined;
		throw describe(directory, cause);
	}
}

/** When the identity in use became visible; only after {@link readIdentity} found one. */
export function publishedAt(directory: string): Date {
	return lstatSync(join(directory, VolumeFile.current)).mtime;
}

function currentGeneration(directory: string): number | undefined {
	try {
		const match = GENERATION.exec(readlinkSync(join(directory, VolumeFile.current)));
		return match ? Number(match[1]) : undefined;
	} catch (cause) {
		// EINVAL: something that is no link, which the next publication replaces.
		if (['ENOENT', 'EINVAL'].includes(systemCode(cause))) return undefined;
		throw describe(directory, cause);
	}
}

function generations(directory: string): number[] {
	try {
		return readdirSync(directory).flatMap((name) => GENERATION.exec(name)?.[1] ?? []).map(Number);
	} catch (cause) {
		throw describe(directory, cause);
	}
}

function writeNew(path: string, data: string | Buffer, mode: number): void {
	const file = openSync(path, 'wx', PRIVATE);
	try {
		writeFileSync(file, data);
		fchmodSync(file, mode); // whatever the umask is
	} finally {
		closeSync(file);
	}
}

/** Points `name` to `target` in one step, whatever was there. */
function linkAtomically(directory: string, name: string, target: string, generation: number): void {
	const path = join(directory, name);
	const temporary = join(directory, `${PREFIX}${generation}`, `.${name}`);
	symlinkSync(target, temporary);
	renameSync(temporary, path);
}

function describe(directory: string, cause: unknown): BirthmarkError {
	if (cause instanceof BirthmarkError) return cause;
	const code = systemCode(cause);
	if (code === 'ENOSPC' || code === 'EDQUOT') {
		return new BirthmarkError(
			'directory-full',
			`${directory} is full: remove what does not belong there and restart the container`,
			{ cause },
		);
	}
	return new BirthmarkError(
		'directory-unusable',
		`${directory} cannot be used (${code}): run the container as the user it was created for (labels birthmark.uid and birthmark.gid)`,
		{ cause },
	);
}

function systemCode(cause: unknown): string {
	return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown failure';
}

/**
 * The state folder:
 *
 *     config.json      configuration
 *     admin.sock       while the CA serves
 *     serve.lock       held by the process that serves
 *     ca/              keys, certificates and database: the CA itself
 *
 * The CA is made in a folder beside `ca` that gets this name, by one rename, when it is whole; so a
 * half-made CA is never taken for one. (The state folder itself cannot be renamed: as a volume it is
 * a mount point.)
 */

import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';
import type { NewAuthority } from './issuance/authority.ts';
import { openSqliteStore } from './store/sqlite.ts';

const UNFINISHED_PREFIX = '.ca-unfinished-';

export function statePaths(state: string) {
	const ca = join(state, 'ca');
	return { ca, config: join(state, 'config.json'), adminSocket: join(state, 'admin.sock'), lock: join(state, 'serve.lock'), ...authorityPaths(ca) };
}

function authorityPaths(folder: string) {
	return {
		rootKey: join(folder, 'root.key'),
		bundle: join(folder, 'bundle.pem'),
		intermediateKey: join(folder, 'intermediate.key'),
		intermediate: join(folder, 'intermediate.pem'),
		rootRevocationList: join(folder, 'root.crl.pem'),
		database: join(folder, 'ca.db'),
	};
}

export function caExists(state: string): boolean {
	return existsSync(statePaths(state).ca);
}

/**
 * Writes a new CA and makes it durable.
 *
 * @param configText kept when the folder holds a `config.json` already
 * @throws BirthmarkError `ca-exists` when there is one; nothing is changed then
 */
export async function writeState(state: string, authority: NewAuthority, configText: string): Promise<void> {
	if (caExists(state)) throw caExistsError(state);
	await mkdir(state, { recursive: true, mode: 0o700 });
	await chmod(state, 0o700);
	const { config, ca } = statePaths(state);
	if (!existsSync(config)) await writeFileAtomic(config, configText, 0o600);

	const unfinished = join(state, UNFINISHED_PREFIX + randomBytes(6).toString('hex'));
	try {
		await mkdir(unfinished, { mode: 0o700 });
		await writeAuthority(unfinished, authority);
		await rename(unfinished, ca);
	} catch (cause) {
		await rm(unfinished, { recursive: true, force: true });
		throw caExists(state) ? caExistsError(state) : cause;
	}
	await syncFolder(state);
	// Not before: until now one of these may have been the work of another process that was about to finish.
	for (const name of await readdir(state)) {
		if (name.startsWith(UNFINISHED_PREFIX)) await rm(join(state, name), { recursive: true, force: true, maxRetries: 3 });
	}
}

async function writeAuthority(folder: string, authority: NewAuthority): Promise<void> {
	const paths = authorityPaths(folder);
	await writeFileAtomic(paths.rootKey, authority.rootKey, 0o600);
	await writeFileAtomic(paths.intermediateKey, authority.intermediateKey, 0o600);
	await writeFileAtomic(paths.bundle, authority.bundle, 0o644);
	await writeFileAtomic(paths.intermediate, authority.intermediate, 0o644);
	await writeFileAtomic(paths.rootRevocationList, authority.rootRevocationList, 0o644);
	await openSqliteStore(paths.database).close();
	await chmod(paths.database, 0o600);
	await syncFolder(folder);
}

/** What `serve` needs of the CA; the root key is not among it. */
export async function readState(state: string): Promise<Omit<NewAuthority, 'rootKey'>> {
	const paths = statePaths(state);
	if (!existsSync(paths.ca)) throw new BirthmarkError('ca-missing', `there is no CA in ${state}: make one with "init --state ${state}"`);
	for (const key of [paths.rootKey, paths.intermediateKey]) await checkKeyFile(key);
	const { bundle, intermediateKey, intermediate, rootRevocationList, database } = paths;
	// The database too: a new one in place of what was lost would forget every revocation.
	for (const path of [bundle, intermediateKey, intermediate, rootRevocationList, database]) {
		if (!statSync(path, { throwIfNoEntry: false })?.size) {
			throw new BirthmarkError('ca-missing', `the CA in ${state} is not whole: ${path} is missing or empty; restore it from a backup`);
		}
	}
	return {
		bundle: await readFile(bundle, 'utf8'),
		intermediateKey: await readFile(intermediateKey, 'utf8'),
		intermediate: await readFile(intermediate, 'utf8'),
		rootRevocationList: await readFile(rootRevocationList, 'utf8'),
	};
}

export function caExistsError(state: string): BirthmarkError {
	return new BirthmarkError('ca-exists', `there is already a CA in ${state}: start it with "serve --state ${state}", or choose another folder`);
}

/** A root key that was taken off line is fine; one that others can read is not. */
async function checkKeyFile(path: string): Promise<void> {
	if (!existsSync(path)) return;
	const { mode } = await stat(path);
	if ((mode & 0o077) !== 0) {
		const octal = (mode & 0o777).toString(8);
		throw new BirthmarkError('config-invalid', `${path} can be read by others (mode ${octal}): consider the key known; if it is not, "chmod 600 ${path}"`);
	}
}

async function syncFolder(path: string): Promise<void> {
	const folder = await open(path, 'r');
	try {
		await folder.sync();
	} finally {
		await folder.close();
	}
}

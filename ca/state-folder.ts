/**
 * The state folder:
 *
 *     config.json          configuration
 *     key-encryption.key   under which the CA's keys are kept in the database; beside it, with .next, the one it is being changed for
 *     admin.sock           while the CA serves
 *     serve.lock           held by the process that serves
 *     ca/                  the database with all the rest: the CA itself
 *
 * The CA is made in a folder beside `ca` that gets this name, by one rename, when it is whole; so a
 * half-made CA is never taken for one. (The state folder itself cannot be renamed: as a volume it is
 * a mount point.)
 */

import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';

const UNFINISHED_PREFIX = '.ca-unfinished-';
const DATABASE = 'ca.db';

export function statePaths(state: string) {
	const ca = join(state, 'ca');
	return {
		ca,
		database: join(ca, DATABASE),
		config: join(state, 'config.json'),
		keyEncryptionKey: join(state, 'key-encryption.key'),
		nextKeyEncryptionKey: join(state, 'key-encryption.key.next'),
		adminSocket: join(state, 'admin.sock'),
		lock: join(state, 'serve.lock'),
	};
}

export function caExists(state: string): boolean {
	return existsSync(statePaths(state).ca);
}

/**
 * Whoever can write to a folder can put other keys and another configuration there, whatever the modes
 * of the files are; whoever can only enter it needs files that are his to write.
 *
 * @throws BirthmarkError `config-invalid` when that is anybody but us and root
 */
export async function requireOwnFolders(state: string): Promise<void> {
	const { ca, config, database } = statePaths(state);
	await requireOwnFolder(state, config);
	if (caExists(state)) await requireOwnFolder(ca, database);
}

/** @param file in it, if it is there */
async function requireOwnFolder(path: string, file: string): Promise<void> {
	const { mode, uid } = await stat(path);
	if (uid !== 0 && uid !== process.getuid!()) {
		throw new BirthmarkError('config-invalid', `${path} belongs to user ${uid}, who can replace what is in it: run the CA as that user, or "chown -R ${process.getuid!()} ${path}"`);
	}
	if ((mode & 0o022) !== 0) {
		throw new BirthmarkError('config-invalid', `others can write to ${path} (mode ${(mode & 0o777).toString(8)}): see whether anything in it was replaced, then "chmod 700 ${path}"`);
	}
	// A folder that only its owner can enter keeps everybody from the files in it.
	const entering = mode & 0o011;
	const writing = (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o022;
	if ((writing & (entering << 1)) !== 0) {
		throw new BirthmarkError('config-invalid', `others can write to ${file} and enter its folder: see whether anything in it was changed, then "chmod 600 ${file}" and "chmod 700 ${path}"`);
	}
}

/** Makes the folder, for its owner only, with a configuration; one that lies there already is kept. */
export async function makeStateFolder(state: string, configText: string): Promise<void> {
	await mkdir(state, { recursive: true, mode: 0o700 });
	await chmod(state, 0o700).catch((cause: unknown) => {
		throw new BirthmarkError('config-invalid', `${state} is not the CA's own (${(cause as Error).message}): give it to user ${process.getuid!()}, or choose another folder`, { cause });
	});
	const { config } = statePaths(state);
	if (!existsSync(config)) await writeFileAtomic(config, configText, 0o600);
}

/**
 * Makes a new CA durable, or nothing.
 *
 * @param write makes the database at this path
 * @throws BirthmarkError `ca-exists` when there is one; nothing is changed then
 */
export async function makeCaFolder(state: string, write: (database: string) => Promise<void>): Promise<void> {
	if (caExists(state)) throw caExistsError(state);
	const { ca } = statePaths(state);
	const unfinished = join(state, UNFINISHED_PREFIX + randomBytes(6).toString('hex'));
	try {
		await mkdir(unfinished, { mode: 0o700 });
		const database = join(unfinished, DATABASE);
		await write(database);
		await chmod(database, 0o600);
		await syncFolder(unfinished);
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

/**
 * The database is where it was: a new one in place of what was lost would forget every revocation.
 *
 * @throws BirthmarkError `ca-missing`
 */
export function requireDatabase(state: string): void {
	const { database } = statePaths(state);
	if (!caExists(state)) throw new BirthmarkError('ca-missing', `there is no CA in ${state}: make one with "init --state ${state}"`);
	if (!statSync(database, { throwIfNoEntry: false })?.size) {
		throw new BirthmarkError('ca-missing', `the CA in ${state} is not whole: ${database} is missing or empty; restore it from a backup`);
	}
}

export function caExistsError(state: string): BirthmarkError {
	return new BirthmarkError('ca-exists', `there is already a CA in ${state}: start it with "serve --state ${state}", or choose another folder`);
}

export async function syncFolder(path: string): Promise<void> {
	const folder = await open(path, 'r');
	try {
		await folder.sync();
	} finally {
		await folder.close();
	}
}

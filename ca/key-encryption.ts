/**
 * The key-encryption key, under which the CA's private keys are kept: from an environment variable,
 * from a file that the configuration names, or from the file that `init` makes in the state folder.
 * Whoever has it and the database has the CA.
 */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';
import { createKeyVault, type KeyVault } from './issuance/key-vault.ts';
import { statePaths, syncFolder } from './state-folder.ts';
import type { Store } from './store/store.ts';

export const KEY_VARIABLE = 'BIRTHMARK_CA_KEY_ENCRYPTION_KEY';
const KEY_BYTES = 32;
/** Of what people choose for themselves; a guess costs scrypt's price, and 16 characters are out of reach then. */
const MIN_LENGTH = 16;

export interface KeyEncryptionSource {
	readonly state: string;
	readonly config: { readonly keyEncryption: { readonly file: string | null } };
	/** environment variables */
	readonly env: Readonly<Record<string, string | undefined>>;
}

/** @throws BirthmarkError `config-invalid` when there is no key, a weak one, or a file that others than its owner can read */
export async function openKeyVault(source: KeyEncryptionSource): Promise<KeyVault> {
	const variable = source.env[KEY_VARIABLE];
	if (variable) return createKeyVault(checked(variable, `$${KEY_VARIABLE}`));
	return createKeyVault(await readKeyEncryptionKey(source.config.keyEncryption.file ?? statePaths(source.state).keyEncryptionKey));
}

/** @throws BirthmarkError `config-invalid` */
export async function readKeyEncryptionKey(path: string): Promise<string> {
	const text = await readSecretFile(path, 'without the key-encryption key the CA\'s keys are lost; restore it from a backup or name the file that holds it');
	return checked(text, path);
}

/** Whether the key is in the file that `init` makes, which is the CA's own to write. */
export function hasOwnKeyFile({ config, env }: Pick<KeyEncryptionSource, 'config' | 'env'>): boolean {
	return !env[KEY_VARIABLE] && config.keyEncryption.file === null;
}

export function newKeyEncryptionKey(): string {
	return randomBytes(KEY_BYTES).toString('base64');
}

/**
 * For `init`: makes the file in the state folder, unless a key comes from elsewhere or lies there
 * already, from an attempt that broke off.
 */
export async function makeKeyEncryptionKey(source: KeyEncryptionSource): Promise<void> {
	if (!hasOwnKeyFile(source)) return;
	const { keyEncryptionKey: path } = statePaths(source.state);
	await mkdir(dirname(path), { recursive: true, mode: 0o700 });
	// A link fails where a rename would replace: of several that begin at once all use the key of one.
	const own = join(dirname(path), `.${randomBytes(6).toString('hex')}.key`);
	try {
		await writeFileAtomic(own, newKeyEncryptionKey() + '\n', 0o600);
		await link(own, path);
	} catch (cause) {
		if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
	} finally {
		await rm(own, { force: true });
	}
	await syncFolder(dirname(path));
}

/**
 * After a change of the key that broke off (`key-change.ts`): the new one takes the place of the old
 * one if the database is under it.
 *
 * @param vault of the key that is in place
 * @returns that of the key that the database is under, if that can be told
 */
export async function finishKeyChange(source: KeyEncryptionSource, vault: KeyVault, store: Pick<Store, 'readTrust'>): Promise<KeyVault> {
	const { keyEncryptionKey, nextKeyEncryptionKey } = statePaths(source.state);
	if (!hasOwnKeyFile(source) || !existsSync(nextKeyEncryptionKey)) return vault;
	const sealed = (await store.readTrust()).authorities.find(({ state }) => state === 'active')?.intermediateKey;
	if (sealed === undefined || await opens(vault, sealed)) return vault;
	const secret = await readKeyEncryptionKey(nextKeyEncryptionKey);
	const next = createKeyVault(secret);
	if (!await opens(next, sealed)) return vault;
	await writeFileAtomic(keyEncryptionKey, secret + '\n', 0o600);
	await rm(nextKeyEncryptionKey, { force: true });
	return next;
}

function opens(vault: KeyVault, sealed: string): Promise<boolean> {
	return vault.decrypt(sealed).then(() => true, () => false);
}

/**
 * What is in a file that nobody but its owner may read: what was checked is what is read.
 *
 * @param whenMissing what to do about a file that is not there
 * @throws BirthmarkError `config-invalid`
 */
export async function readSecretFile(path: string, whenMissing = 'correct the path'): Promise<string> {
	const file = await open(path, 'r').catch((cause: unknown) => {
		if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw new BirthmarkError('config-invalid', `${path} does not exist: ${whenMissing}`, { cause });
		throw new BirthmarkError('config-invalid', `${path} cannot be read (${(cause as Error).message}): let user ${process.getuid!()} read it, and nobody else`, { cause });
	});
	try {
		const stats = await file.stat();
		const { mode, uid } = stats;
		if (stats.isDirectory()) throw new BirthmarkError('config-invalid', `${path} is a folder: name the file in it`);
		if ((mode & 0o077) !== 0) {
			const octal = (mode & 0o777).toString(8);
			throw new BirthmarkError('config-invalid', `${path} can be read by others (mode ${octal}): consider the key known; if it is not, "chmod 600 ${path}"`);
		}
		if (uid !== 0 && uid !== process.getuid!()) {
			throw new BirthmarkError('config-invalid', `${path} belongs to user ${uid}, who can read and replace the key: "chown ${process.getuid!()} ${path}"`);
		}
		return await file.readFile('utf8');
	} finally {
		await file.close();
	}
}

function checked(text: string, source: string): string {
	const secret = text.trim();
	if (secret.length < MIN_LENGTH) {
		throw new BirthmarkError('config-invalid', `${source} holds no key-encryption key: it has ${secret.length} characters and needs ${MIN_LENGTH}; make one with "head -c 32 /dev/urandom | base64"`);
	}
	return secret;
}

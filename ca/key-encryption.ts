/**
 * The key-encryption key, under which the CA's private keys are kept: from an environment variable,
 * from a file that the configuration names, or from the file that `init` makes in the state folder.
 * Whoever has it and the database has the CA.
 */

import { randomBytes } from 'node:crypto';
import { lstat, link, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';
import { createKeyVault, type KeyVault } from './issuance/key-vault.ts';
import { statePaths, syncFolder } from './state-folder.ts';

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
export async function openKeyVault({ state, config, env }: KeyEncryptionSource): Promise<KeyVault> {
	const variable = env[KEY_VARIABLE];
	if (variable) return createKeyVault(checked(variable, `$${KEY_VARIABLE}`));
	const path = config.keyEncryption.file ?? statePaths(state).keyEncryptionKey;
	await checkSecretFile(path);
	return createKeyVault(checked(await readFile(path, 'utf8'), path));
}

/**
 * For `init`: makes the file in the state folder, unless a key comes from elsewhere or lies there
 * already, from an attempt that broke off.
 */
export async function makeKeyEncryptionKey({ state, config, env }: KeyEncryptionSource): Promise<void> {
	if (env[KEY_VARIABLE] || config.keyEncryption.file !== null) return;
	const { keyEncryptionKey: path } = statePaths(state);
	await mkdir(dirname(path), { recursive: true, mode: 0o700 });
	// A link fails where a rename would replace: of several that begin at once all use the key of one.
	const own = join(dirname(path), `.${randomBytes(6).toString('hex')}.key`);
	try {
		await writeFileAtomic(own, randomBytes(KEY_BYTES).toString('base64') + '\n', 0o600);
		await link(own, path);
	} catch (cause) {
		if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
	} finally {
		await rm(own, { force: true });
	}
	await syncFolder(dirname(path));
}

/**
 * A file with a secret, which nobody but its owner may read; a missing one is an error of its own.
 *
 * @throws BirthmarkError `config-invalid`
 */
export async function checkSecretFile(path: string): Promise<void> {
	if (!(await lstat(path).catch(() => undefined))) {
		throw new BirthmarkError('config-invalid', `${path} does not exist: without the key-encryption key the CA's keys are lost; restore it from a backup or name the file that holds it`);
	}
	const { mode, uid } = await stat(path);
	if ((mode & 0o077) !== 0) {
		const octal = (mode & 0o777).toString(8);
		throw new BirthmarkError('config-invalid', `${path} can be read by others (mode ${octal}): consider the key known; if it is not, "chmod 600 ${path}"`);
	}
	if (uid !== 0 && uid !== process.getuid!()) {
		throw new BirthmarkError('config-invalid', `${path} belongs to user ${uid}, who can read and replace the key: "chown ${process.getuid!()} ${path}"`);
	}
}

function checked(text: string, source: string): string {
	const secret = text.trim();
	if (secret.length < MIN_LENGTH) {
		throw new BirthmarkError('config-invalid', `${source} holds no key-encryption key: it has ${secret.length} characters and needs ${MIN_LENGTH}; make one with "head -c 32 /dev/urandom | base64"`);
	}
	return secret;
}

/**
 * `key-encryption-change`: the private keys of the CA under another key-encryption key, all of them in
 * one transaction. Where that key is the CA's own file, the new one lies beside it before the
 * transaction and takes its place after it; whoever opens the CA after a crash between the two finishes
 * that. A key from elsewhere (a variable, a file that the configuration names) is put in place by
 * whoever brought it.
 */

import { rm } from 'node:fs/promises';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';
import { systemClock } from '#common/runtime/clock.ts';
import type { CaConfig } from './config.ts';
import { createKeyVault, type KeyVault } from './issuance/key-vault.ts';
import { hasOwnKeyFile, newKeyEncryptionKey, readKeyEncryptionKey, type KeyEncryptionSource } from './key-encryption.ts';
import { openState, requireState } from './open-state.ts';
import { requireOwnFolders, statePaths } from './state-folder.ts';
import { holdLock } from './store/lock.ts';
import { SYSTEM } from './store/records.ts';
import type { Store } from './store/store.ts';
import type { AuthorityRecord } from './store/trust-records.ts';

export interface KeyChange {
	readonly state: string;
	readonly config: CaConfig;
	/** environment variables */
	readonly env: KeyEncryptionSource['env'];
	/** a file with the new key; absent: 32 random bytes, which only the CA's own file can take up */
	readonly to?: string | undefined;
}

export interface KeyChangeResult {
	/** how many private keys are under the new key now */
	readonly keys: number;
	/** whether the CA finds the new key by itself */
	readonly isInPlace: boolean;
}

/**
 * While no CA serves the folder. Other instances on the same database go on with the keys that they
 * have in memory, and have to be started again with the new key.
 *
 * @throws BirthmarkError `ca-exists` while it is served, `config-invalid` (a key), `rotation-stage` when a rotation took a step meanwhile
 */
export async function changeKeyEncryption({ state, config, env, to }: KeyChange): Promise<KeyChangeResult> {
	const { keyEncryptionKey, nextKeyEncryptionKey, lock: lockFile } = statePaths(state);
	const isOwn = hasOwnKeyFile({ config, env });
	if (to === undefined && !isOwn) {
		throw new BirthmarkError('config-invalid', 'the key-encryption key is not in the file of the CA\'s own: make the new one with "head -c 32 /dev/urandom | base64" and name its file with --to');
	}
	const secret = to === undefined ? newKeyEncryptionKey() : await readKeyEncryptionKey(to);
	await requireState({ state, config });
	await requireOwnFolders(state);
	const lock = holdLock(lockFile);
	try {
		const { store, vault } = await openState({ state, config, env, clock: systemClock });
		try {
			if (isOwn) await writeFileAtomic(nextKeyEncryptionKey, secret + '\n', 0o600);
			const keys = await encryptAnew(store, vault, createKeyVault(secret));
			if (isOwn) {
				await writeFileAtomic(keyEncryptionKey, secret + '\n', 0o600);
				await rm(nextKeyEncryptionKey, { force: true });
			}
			return { keys, isInPlace: isOwn };
		} finally {
			await store.close();
		}
	} finally {
		lock.release();
	}
}

async function encryptAnew(store: Pick<Store, 'readTrust' | 'changeTrust'>, old: KeyVault, next: KeyVault): Promise<number> {
	const trust = await store.readTrust();
	let keys = 0;
	const anew = async (pem: string): Promise<string> => {
		keys++;
		return next.encrypt(await old.decrypt(pem));
	};
	const authorities: AuthorityRecord[] = [];
	for (const { rootKey, intermediateKey, ...authority } of trust.authorities) {
		authorities.push({
			...authority,
			...(rootKey !== undefined && { rootKey: await anew(rootKey) }),
			...(intermediateKey !== undefined && { intermediateKey: await anew(intermediateKey) }),
		});
	}
	const change = { next: { ...trust, version: trust.version + 1, authorities }, action: 'key-encryption.change', at: systemClock.now(), details: { keys } };
	if ((await store.changeTrust(change, SYSTEM)) === undefined) {
		throw new BirthmarkError('rotation-stage', 'the CA was changed at the same moment, and the key-encryption key is the one that it was: try again');
	}
	return keys;
}

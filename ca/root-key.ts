/** `root-key export`: the root's private key, which a running CA does not need, out of the database and off line. */

import { open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { decryptSigningKey, encryptSigningKey } from '#common/x509/encrypted-key.ts';
import type { CaConfig } from './config.ts';
import { positionOf } from './issuance/rotation.ts';
import { readSecretFile } from './key-encryption.ts';
import { openState, requireState } from './open-state.ts';
import { syncFolder } from './state-folder.ts';
import { SYSTEM } from './store/records.ts';
import type { Store } from './store/store.ts';

export interface RootKeyExport {
	readonly state: string;
	readonly config: CaConfig;
	/** environment variables */
	readonly env: Readonly<Record<string, string | undefined>>;
	/** PKCS#8, encrypted under the passphrase; never overwrites */
	readonly out: string;
	/** its text, without white space around */
	readonly passphraseFile: string;
	/** out of the database, when the file has been read back */
	readonly remove: boolean;
}

/** @throws BirthmarkError `root-key-missing`, `config-invalid` (passphrase, file) */
export async function exportRootKey({ state, config, env, out, passphraseFile, remove }: RootKeyExport): Promise<void> {
	const passphrase = await readPassphrase(passphraseFile);
	await requireState({ state, config });
	const { store, vault } = await openState({ state, config, env, clock: systemClock });
	try {
		const { active } = positionOf(await store.readTrust());
		if (active.rootKey === undefined) throw new BirthmarkError('root-key-missing', 'the key of the root has been taken away already');
		const key = await vault.decrypt(active.rootKey);
		await writeNew(out, await encryptSigningKey(key, passphrase));
		const readBack = await decryptSigningKey(await readFile(out, 'utf8'), passphrase);
		if (!readBack.publicKey.equals(key.publicKey)) throw new BirthmarkError('internal', `${out} does not hold what was written to it`);
		await store.addEvent(SYSTEM, { at: systemClock.now(), action: 'root-key.export', outcome: 'done' });
		if (remove) await removeRootKey(store, active.root);
	} finally {
		await store.close();
	}
}

async function removeRootKey(store: Pick<Store, 'readTrust' | 'changeTrust'>, root: string): Promise<void> {
	const trust = await store.readTrust();
	const authorities = trust.authorities.map(({ rootKey, ...authority }) => {
		return authority.root === root || rootKey === undefined ? authority : { ...authority, rootKey };
	});
	const change = { next: { ...trust, version: trust.version + 1, authorities }, action: 'root-key.remove', at: systemClock.now() };
	if ((await store.changeTrust(change, SYSTEM)) === undefined) {
		throw new BirthmarkError('rotation-stage', 'the CA was changed at the same moment; the key was exported and not removed: export it again, to another file');
	}
}

async function readPassphrase(path: string): Promise<Buffer> {
	const text = (await readSecretFile(path)).trim();
	if (text.length < 16) throw new BirthmarkError('config-invalid', `the passphrase in ${path} is too short: use 16 characters or more`);
	return Buffer.from(text);
}

async function writeNew(path: string, text: string): Promise<void> {
	const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
		throw new BirthmarkError('config-invalid', `${path} cannot be made (${(cause as Error).message}): name a file that does not exist yet`, { cause });
	});
	try {
		await file.writeFile(text);
		await file.sync();
	} catch (cause) {
		// Half a key would be in the way of the next attempt.
		await rm(path, { force: true });
		throw cause;
	} finally {
		await file.close();
	}
	// That it is there has to last too: with `remove` it is the only one that there is.
	await syncFolder(dirname(path));
}

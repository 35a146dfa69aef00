/** Opens what the CA consists of: its database, the key to its keys, and its authorities. */

import { X509Certificate } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { CaConfig } from './config.ts';
import { hasFiles, importFiles } from './import-files.ts';
import { openAuthorities, type Authorities } from './issuance/authorities.ts';
import type { KeyVault } from './issuance/key-vault.ts';
import { finishKeyChange, makeKeyEncryptionKey, openKeyVault } from './key-encryption.ts';
import { caExists, requireDatabase, requireOwnFolders, statePaths } from './state-folder.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';

export interface OpenStateDeps {
	readonly state: string;
	readonly config: CaConfig;
	/** environment variables: where the key-encryption key may be */
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly clock: { now(): Date };
}

export interface OpenState {
	readonly store: Store;
	readonly vault: KeyVault;
	readonly authorities: Authorities;
}

/**
 * The folder is that of a CA in a file, or may be that of an instance on a database server.
 *
 * @throws BirthmarkError `ca-missing`, `config-invalid`
 */
export async function requireState({ state, config }: Pick<OpenStateDeps, 'state' | 'config'>): Promise<void> {
	if (config.database.url === null) return requireDatabase(state);
	const { ca } = statePaths(state);
	// With the keys in one database and the registry in another, revocations would be forgotten.
	if (caExists(state)) {
		throw new BirthmarkError('config-invalid', `the configuration names a database server, and ${ca} holds a CA in a file: move it with "ca backup" and "ca restore", or name no server`);
	}
	await mkdir(state, { recursive: true, mode: 0o700 });
}

/** @throws BirthmarkError `ca-missing`, `config-invalid`, `ca-unavailable`; nothing stays open then */
export async function openState({ state, config, env, clock }: OpenStateDeps): Promise<OpenState> {
	await requireOwnFolders(state);
	if (hasFiles(state)) await makeKeyEncryptionKey({ state, config, env });
	const inPlace = await openKeyVault({ state, config, env });
	const store = await openStore(config.database, statePaths(state).database);
	try {
		const vault = await finishKeyChange({ state, config, env }, inPlace, store);
		if (hasFiles(state)) await importFiles({ state, store, vault, clock });
		const authorities = await openAuthorities({ store, vault });
		requireTrustDomain(authorities.current().bundle, config.trustDomain);
		return { store, vault, authorities };
	} catch (error) {
		await store.close();
		throw error;
	}
}

/** The trust domain is for life: identities of two of them under one root could not be told apart by whoever trusts the root. */
function requireTrustDomain(bundle: Buffer, trustDomain: string): void {
	const { O: made } = new X509Certificate(bundle).toLegacyObject().subject;
	if (made !== trustDomain) {
		throw new BirthmarkError('config-invalid', `this CA was made for the trust domain "${made}" and the configuration says "${trustDomain}": correct it, or make another CA`);
	}
}

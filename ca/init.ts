/** `init`: makes a CA in a state folder. */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { readCaConfig, type CaConfig } from './config.ts';
import { createAuthority } from './issuance/authority.ts';
import { authorityProfile } from './issuance/authority-profile.ts';
import { sealAuthority } from './issuance/key-vault.ts';
import { establish } from './issuance/rotation.ts';
import { makeKeyEncryptionKey, openKeyVault, type KeyEncryptionSource } from './key-encryption.ts';
import { caExists, caExistsError, makeCaFolder, makeStateFolder, statePaths } from './state-folder.ts';
import { openStore } from './store/open-store.ts';
import { SYSTEM } from './store/records.ts';
import type { Store } from './store/store.ts';
import type { TrustRecord } from './store/trust-records.ts';

export interface InitOptions {
	readonly state: string;
	readonly trustDomain?: string | undefined;
	readonly environment?: string | undefined;
	/** environment variables */
	readonly env: Readonly<Record<string, string | undefined>>;
}

export interface InitResult {
	readonly trustDomain: string;
	readonly environment: string;
	/** SHA-256 of the trust bundle, hexadecimal */
	readonly digest: string;
	/** PEM */
	readonly bundle: string;
}

/**
 * A `config.json` that lies in the folder already is respected.
 *
 * @throws BirthmarkError `ca-exists` (in the folder, or on the database server), `config-invalid`, `ca-unavailable`
 */
export async function initCa({ state, trustDomain, environment, env }: InitOptions): Promise<InitResult> {
	if (caExists(state)) throw caExistsError(state);
	const { config: path } = statePaths(state);
	const isPrepared = existsSync(path);
	const text = isPrepared ? readFileSync(path, 'utf8') : JSON.stringify({ trustDomain, environment });
	const config = readCaConfig(text, env);
	const { trustDomain: domain, environment: name } = config;
	if ((trustDomain ?? domain) !== domain || (environment ?? name) !== name) {
		const said = `${path} or the environment already says "${domain}" and "${name}"`;
		throw new BirthmarkError('config-invalid', `${said}: give no other names on the command line, or change them there`);
	}
	// Both are in every certificate, so they are written down, wherever they came from.
	const chosen = isPrepared ? text : JSON.stringify({ trustDomain: domain, environment: name }, null, '\t') + '\n';
	const bundle = config.database.url === null
		? await makeInFolder({ state, config, env }, chosen)
		: await makeOnServer({ state, config, env }, chosen);
	return { trustDomain: domain, environment: name, digest: bundleDigest(bundle).toString('hex'), bundle };
}

type Source = KeyEncryptionSource & { readonly config: CaConfig };

async function makeInFolder(source: Source, configText: string): Promise<string> {
	await makeStateFolder(source.state, configText);
	const trust = await newTrust(source);
	await makeCaFolder(source.state, async (database) => {
		const store = await openStore(source.config.database, database);
		await establishIn(store, trust);
		await store.close();
	});
	return trust.bundles[0]!.bundle;
}

async function makeOnServer(source: Source, configText: string): Promise<string> {
	const store = await openStore(source.config.database, '');
	try {
		const exists = new BirthmarkError('ca-exists', 'there is already a CA on this database server: "ca serve" with the same configuration and key-encryption key is one more instance of it');
		// Looked at first, so that nothing is made in the folder; what decides is the transaction.
		if ((await store.trustVersion()) !== 0) throw exists;
		await makeStateFolder(source.state, configText);
		const trust = await newTrust(source);
		if (!(await establishIn(store, trust))) throw exists;
		return trust.bundles[0]!.bundle;
	} finally {
		await store.close();
	}
}

async function newTrust(source: Source): Promise<TrustRecord> {
	await makeKeyEncryptionKey(source);
	const vault = await openKeyVault(source);
	const { trustDomain, backdateSeconds } = source.config;
	const authority = createAuthority(1, { clock: systemClock, random: randomBytes, backdateSeconds, trustDomain, profile: authorityProfile(source.config) });
	return establish(await sealAuthority(authority, 'active', false, systemClock.now(), vault));
}

/** @returns false when there is a CA already */
async function establishIn(store: Pick<Store, 'changeTrust'>, trust: TrustRecord): Promise<boolean> {
	return (await store.changeTrust({ next: trust, action: 'authority.create', at: systemClock.now() }, SYSTEM)) !== undefined;
}

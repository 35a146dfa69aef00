/**
 * Up to version 0.1 keys and certificates of the CA were files beside the database. The first start
 * takes them into it, in one transaction, and only then removes them; a crash between the two is
 * made up for by the next start.
 */

import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { importSigningKey, type SigningKey } from '#common/x509/keys.ts';
import type { KeyVault } from './issuance/key-vault.ts';
import { establish } from './issuance/rotation.ts';
import { readSecretFile } from './key-encryption.ts';
import { statePaths, syncFolder } from './state-folder.ts';
import { SYSTEM } from './store/records.ts';
import type { Store } from './store/store.ts';
import type { AuthorityRecord } from './store/trust-records.ts';

export interface ImportDeps {
	readonly state: string;
	readonly store: Pick<Store, 'readTrust' | 'changeTrust'>;
	readonly vault: KeyVault;
	readonly clock: { now(): Date };
}

/** The root key may have been taken off line already. */
const KEYS = ['root.key', 'intermediate.key'];
const NEEDED = ['intermediate.key', 'bundle.pem', 'intermediate.pem', 'root.crl.pem'];

/** @returns whether there are files that `importFiles` would take over */
export function hasFiles(state: string): boolean {
	return existsSync(join(statePaths(state).ca, 'bundle.pem'));
}

/** @throws BirthmarkError `ca-missing` when not all are there; `config-invalid` when others can read a key, or the database is that of another CA */
export async function importFiles({ state, store, vault, clock }: ImportDeps): Promise<void> {
	const folder = statePaths(state).ca;
	const paths = Object.fromEntries([...KEYS, ...NEEDED].map((name) => [name, join(folder, name)]));
	const read = (name: string) => readFile(paths[name]!, 'utf8');
	const trust = await store.readTrust();
	if (trust.version === 0) {
		for (const name of NEEDED) {
			if (!existsSync(paths[name]!) || (await read(name)) === '') {
				throw new BirthmarkError('ca-missing', `the CA in ${state} is not whole: ${paths[name]} is missing or empty; restore it from a backup`);
			}
		}
		const encrypt = async (name: string) => vault.encrypt(await readKey(paths[name]!));
		const at = clock.now();
		const record: AuthorityRecord = {
			generation: 1,
			state: 'active',
			isManual: false,
			root: await read('bundle.pem'),
			...(existsSync(paths['root.key']!) && { rootKey: await encrypt('root.key') }),
			intermediate: await read('intermediate.pem'),
			intermediateKey: await encrypt('intermediate.key'),
			rootRevocationList: await read('root.crl.pem'),
			createdAt: at,
			changedAt: at,
		};
		const change = { next: establish(record), action: 'authority.import', at };
		// Of two that begin at once the later looks at what the earlier has imported.
		if ((await store.changeTrust(change, SYSTEM)) === undefined) return importFiles({ state, store, vault, clock });
	} else if (trust.authorities[0]?.root !== (await read('bundle.pem'))) {
		throw new BirthmarkError('config-invalid', `${folder} holds the keys of another CA than the database: name the right database, or take the folder away`);
	}
	// The last is the one by which they are found.
	for (const name of [...new Set([...KEYS, ...NEEDED])].sort((one, other) => Number(one === 'bundle.pem') - Number(other === 'bundle.pem'))) {
		await rm(paths[name]!, { force: true });
	}
	await syncFolder(folder);
}

async function readKey(path: string): Promise<SigningKey> {
	const pem = await readSecretFile(path);
	try {
		return importSigningKey(pem);
	} catch (cause) {
		throw new BirthmarkError('ca-missing', `${path} holds no EC P-256 key in PKCS#8 PEM: restore it from a backup`, { cause });
	}
}

/** The CA's private keys between the store, where they are encrypted, and memory, where they are not. */

import { decryptSigningKey, encryptSigningKey, RANDOM_SECRET_COST, PASSPHRASE_COST } from '#common/x509/encrypted-key.ts';
import type { SigningKey } from '#common/x509/keys.ts';
import type { AuthorityRecord, AuthorityState } from '../store/trust-records.ts';
import type { NewAuthority } from './authority.ts';

export interface KeyVault {
	/** @returns PKCS#8, encrypted, PEM */
	encrypt(key: SigningKey): Promise<string>;
	/** @throws BirthmarkError `config-invalid` when the key-encryption key is another */
	decrypt(pem: string): Promise<SigningKey>;
}

/** 32 random bytes in base64: nobody guesses that, so nothing has to slow guessing down. */
const RANDOM_SECRET = /^[A-Za-z0-9+/]{43}=$/;

/** @param secret the key-encryption key, as text without white space around it */
export function createKeyVault(secret: string): KeyVault {
	const bytes = Buffer.from(secret);
	const cost = RANDOM_SECRET.test(secret) ? RANDOM_SECRET_COST : PASSPHRASE_COST;
	return {
		encrypt: (key) => encryptSigningKey(key, bytes, cost),
		decrypt: (pem) => decryptSigningKey(pem, bytes),
	};
}

/** What the store keeps of a new authority. */
export async function sealAuthority(authority: NewAuthority, state: AuthorityState, isManual: boolean, at: Date, vault: KeyVault): Promise<AuthorityRecord> {
	const { generation, root, crossCertificate, intermediate, intermediateKey, rootRevocationList } = authority;
	return {
		generation,
		state,
		isManual,
		root: root.certificate,
		rootKey: await vault.encrypt(root.key),
		...(crossCertificate !== undefined && { crossCertificate }),
		intermediate,
		intermediateKey: await vault.encrypt(intermediateKey),
		rootRevocationList,
		createdAt: at,
		changedAt: at,
	};
}

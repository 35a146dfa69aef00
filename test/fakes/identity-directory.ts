/** An identity directory as plugin and agent make it, with rotations and revocations at will. */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { publish } from '../../agent/store.ts';
import { issueLeaf, leafDefaults, revocationLists, serialOf, type FakePki, type LeafInput } from './ca.ts';
import { tmpfsDirectory } from './tmpfs.ts';

export interface IdentityDirectory {
	readonly directory: string;
	/** of what is published now */
	readonly serial: string;
	/** Publishes another key and certificate; the next ones are from the same PKI. @returns their serial */
	rotate(change?: Partial<LeafInput> & { readonly bundle?: Buffer }): Promise<string>;
	/** Replaces `crl.pem`. */
	revoke(...serials: readonly string[]): void;
	/** The same with other lists, PEM. */
	putLists(lists: string): void;
	/** key and chain, as in `identity.pem` */
	read(): Buffer;
}

/** @param directory where it is published; one on a tmpfs that goes with the test when absent */
export async function identityDirectory(t: { teardown(remove: () => void): void }, name: string, pki: FakePki, directory = tmpfsDirectory(t)): Promise<IdentityDirectory> {
	let issuer = pki;
	let trust = pki.bundle;
	let serial = '';
	const made: IdentityDirectory = {
		directory,
		get serial() {
			return serial;
		},
		rotate: async ({ bundle = trust, ...change } = {}) => {
			const key = generateSigningKey();
			const chain = await issueLeaf({ ...leafDefaults(name, issuer, 3600), publicKey: key.publicKey, ...change });
			issuer = change.issuer ?? issuer;
			trust = bundle;
			publish(directory, { key: exportSigningKey(key), chain, bundle });
			serial = serialOf(chain);
			return serial;
		},
		revoke: (...serials) => made.putLists(revocationLists(issuer, serials)),
		putLists: (lists) => {
			writeFileSync(join(directory, 'crl.new'), lists);
			renameSync(join(directory, 'crl.new'), join(directory, 'crl.pem'));
		},
		read: () => readFileSync(join(directory, 'identity.pem')),
	};
	made.revoke();
	await made.rotate();
	return made;
}

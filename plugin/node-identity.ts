/**
 * The node's own certificate, durable in one file (`node.json`, mode 0600) so that key, chain and
 * trust bundle always belong together, and the key of a join that is still under way in another
 * (`join.json`): a lost answer is asked for again with the same key, and the CA gives the same
 * certificate.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '#common/runtime/atomic-file.ts';
import type { NodeCredentials } from './ca-client.ts';

export interface NodeIdentity extends NodeCredentials {
	readonly name: string;
	readonly trustDomain: string;
	readonly environment: string;
	/** SHA-256 of the join token that was used, hexadecimal: another token means another join */
	readonly joinTokenHash: string;
}

export interface PendingJoin {
	/** PEM, PKCS#8 */
	readonly key: string;
	readonly joinTokenHash: string;
}

export type NodeIdentityStore = ReturnType<typeof createNodeIdentityStore>;

/** @param directory made when it is not there, mode 0700 */
export function createNodeIdentityStore(directory: string) {
	mkdirSync(directory, { recursive: true, mode: 0o700 });
	const identityPath = join(directory, 'node.json');
	const pendingPath = join(directory, 'join.json');
	let current = read<NodeIdentity>(identityPath);
	return {
		/** undefined before the first join */
		current: (): NodeIdentity | undefined => current,
		async save(identity: NodeIdentity): Promise<void> {
			await writeFileAtomic(identityPath, JSON.stringify(identity), 0o600);
			current = identity;
			// The join with another token may still be under way.
			if (read<PendingJoin>(pendingPath)?.joinTokenHash === identity.joinTokenHash) rmSync(pendingPath, { force: true });
		},
		pendingJoin: (): PendingJoin | undefined => read<PendingJoin>(pendingPath),
		savePendingJoin: (pending: PendingJoin): Promise<void> => writeFileAtomic(pendingPath, JSON.stringify(pending), 0o600),
	};
}

/** Validity of the leaf of a chain, and whether it belongs to the key. @throws when it cannot be parsed */
export function leafOf(certificate: string, key: string): { notBefore: Date; notAfter: Date; matchesKey: boolean } {
	const leaf = new X509Certificate(certificate);
	return { notBefore: leaf.validFromDate, notAfter: leaf.validToDate, matchesKey: leaf.checkPrivateKey(createPrivateKey(key)) };
}

function read<T>(path: string): T | undefined {
	let text: string;
	try {
		text = readFileSync(path, 'utf8');
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw error;
	}
	return JSON.parse(text) as T;
}

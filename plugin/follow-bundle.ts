/**
 * The node goes with its CA from one root to the next: it looks for another trust bundle over TLS that
 * the stored one validates, tries it, stores it, and tells the CA, which waits for that before it
 * issues anything under the new root.
 */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import type { Logger } from '#common/runtime/log.ts';
import { requireBundle } from '#common/x509/bundle.ts';
import type { NodeCredentials } from './ca-client.ts';
import type { NodeIdentity, NodeIdentityStore } from './node-identity.ts';

export interface FollowBundleDeps {
	readonly store: Pick<NodeIdentityStore, 'current' | 'save'>;
	readonly ca: {
		/** @returns the CA's bundle when it is another one than that of the credentials, which have to validate the CA */
		changedBundle(credentials: NodeCredentials): Promise<string | undefined>;
		/** the stored bundle is in use */
		acknowledgeBundle(digest: string): Promise<void>;
	};
	readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** @returns a function that looks once; it never throws, a failure leaves the stored bundle as it is */
export function createBundleFollower({ store, ca, logger }: FollowBundleDeps): () => Promise<void> {
	/** the last digest that the CA knows we use, as far as this process knows */
	let acknowledged: string | undefined;

	async function look(identity: NodeIdentity): Promise<void> {
		const bundle = await ca.changedBundle(identity);
		if (bundle !== undefined) {
			await tryBundle({ ...identity, bundle });
			await store.save({ ...identity, bundle });
			logger.info('another trust bundle is in use', { node: identity.name, digest: hexDigest(bundle) });
		}
		const digest = hexDigest(bundle ?? identity.bundle);
		if (digest === acknowledged) return;
		await ca.acknowledgeBundle(digest);
		acknowledged = digest;
	}

	/** The CA itself must be trusted by it, at the same address and at the same moment. */
	async function tryBundle(identity: NodeIdentity): Promise<void> {
		requireBundle(identity.bundle);
		const again = await ca.changedBundle(identity).catch((cause: unknown) => {
			throw new BirthmarkError('ca-protocol', 'the CA cannot be reached with the trust bundle that it serves', { cause });
		});
		if (again !== undefined) throw new BirthmarkError('ca-unavailable', 'the trust bundle changes right now, or not all instances of the CA have the same');
	}

	return async () => {
		const identity = store.current();
		if (!identity) return;
		try {
			await look(identity);
		} catch (error) {
			const log = errorCode(error) === 'ca-unavailable' ? logger.info : logger.warn;
			log('the trust bundle could not be compared with the CA\'s, the stored one stays', { node: identity.name, error });
		}
	};
}

function hexDigest(bundle: string): string {
	return bundleDigest(bundle).toString('hex');
}

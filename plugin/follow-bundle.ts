/**
 * The node goes with its CA from one root to the next: it tells the CA which trust bundle it uses, over
 * TLS that this bundle validates, and is told whether there is another one. It tries that, stores it, and
 * tells the CA, which waits for that before it issues anything under the new root.
 */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { AcknowledgeAnswer } from '#common/protocol/messages.ts';
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
		/** the bundle of this digest is in use @returns undefined from a CA that does not want to know */
		acknowledgeBundle(digest: string): Promise<AcknowledgeAnswer | undefined>;
	};
	readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/**
 * @returns a function that looks once, and resolves with true when the CA wants the certificate renewed soon; it
 * never throws, a failure leaves the stored bundle as it is
 */
export function createBundleFollower({ store, ca, logger }: FollowBundleDeps): () => Promise<boolean> {
	async function look(identity: NodeIdentity): Promise<boolean> {
		const inUse = hexDigest(identity.bundle);
		const answer = await ca.acknowledgeBundle(inUse);
		const bundle = answer?.digest === inUse ? undefined : await ca.changedBundle(identity);
		if (bundle === undefined) return answer?.renew === true;
		await tryBundle({ ...identity, bundle });
		await store.save({ ...identity, bundle });
		const digest = hexDigest(bundle);
		logger.info('another trust bundle is in use', { node: identity.name, digest });
		return (await ca.acknowledgeBundle(digest))?.renew === true;
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
		if (!identity) return false;
		try {
			return await look(identity);
		} catch (error) {
			const log = errorCode(error) === 'ca-unavailable' ? logger.info : logger.warn;
			log('the trust bundle could not be compared with the CA\'s, the stored one stays', { node: identity.name, error });
			return false;
		}
	};
}

function hexDigest(bundle: string): string {
	return bundleDigest(bundle).toString('hex');
}

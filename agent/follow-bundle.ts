/**
 * The trust bundle after the birth: while the CA replaces its root, it serves the old root and the
 * new one, then the new one alone. The agent looks for another bundle over TLS that the one in use
 * validates, tries it, publishes it with everything else, and tells the CA, which waits for that
 * before it issues anything under the new root.
 */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import type { Logger } from '#common/runtime/log.ts';
import { requireBundle } from '#common/x509/bundle.ts';
import type { CaClient } from './ca-client.ts';
import { requireIdentity } from './renew.ts';
import { publish } from './store.ts';
import { validateIdentity } from './validate.ts';

export interface FollowBundleDeps {
	readonly ca: Pick<CaClient, 'changedBundle' | 'acknowledge'>;
	readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/**
 * @returns a function that looks once; it throws nothing but the signal's reason, a failure is for the log
 * and leaves the bundle in use as it is
 */
export function createBundleFollower(directory: string, { ca, logger }: FollowBundleDeps): (signal: AbortSignal) => Promise<void> {
	/** of the last bundle that the CA knows we use; only as far as this process knows */
	let acknowledged: Buffer | undefined;

	async function look(signal: AbortSignal): Promise<void> {
		const changed = await ca.changedBundle(requireIdentity(directory).bundle, signal);
		if (changed) {
			await tryBundle(changed, signal);
			if (await publishBundle(directory, changed)) logger.info('another trust bundle is in use', { digest: bundleDigest(changed).toString('hex') });
		}
		const identity = requireIdentity(directory);
		const digest = bundleDigest(identity.bundle);
		if (acknowledged?.equals(digest)) return;
		await ca.acknowledge(identity, signal);
		acknowledged = digest;
	}

	/** The CA itself must be trusted by it, at the same address and at the same moment. */
	async function tryBundle(bundle: Buffer, signal: AbortSignal): Promise<void> {
		requireBundle(bundle);
		const again = await ca.changedBundle(bundle, signal);
		if (again) throw new BirthmarkError('ca-unavailable', 'the trust bundle changes right now, or not all instances of the CA have the same');
	}

	return async (signal) => {
		try {
			await look(signal);
		} catch (error) {
			if (signal.aborted) throw error;
			const message = 'the trust bundle could not be compared with the CA\'s, the one in use stays';
			if (errorCode(error) === 'ca-unavailable') logger.info(message, { error });
			else logger.warn(message, { error });
		}
	};
}

/**
 * Replaces the bundle of whatever identity is published, if that identity is good under it.
 *
 * @returns false when another process published meanwhile, which decides again at its next look
 * @throws BirthmarkError `certificate-invalid`: its peers would refuse it, so the bundle has to wait for a renewal
 */
async function publishBundle(directory: string, bundle: Buffer): Promise<boolean> {
	const before = requireIdentity(directory);
	const after = await validateIdentity({ ...before, bundle });
	if (requireIdentity(directory).leaf.serial !== before.leaf.serial) return false;
	publish(directory, after);
	return true;
}

/**
 * The trust bundle after the birth: while the CA replaces its root, it serves the old root and the
 * new one, then the new one alone. The agent tells the CA now and then which bundle it uses, over TLS
 * that this bundle validates, and is told whether there is another one. It tries that, publishes it
 * with everything else, and tells the CA, which waits for that before it issues anything under the new
 * root.
 */

import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import type { Logger } from '#common/runtime/log.ts';
import { requireBundle } from '#common/x509/bundle.ts';
import type { CaClient } from './ca-client.ts';
import type { Publication } from './publication.ts';
import { requireIdentity } from './renew.ts';
import { publish } from './store.ts';
import { validateIdentity } from './validate.ts';

export interface FollowBundleDeps {
	readonly ca: Pick<CaClient, 'changedBundle' | 'acknowledge'>;
	readonly logger: Pick<Logger, 'info' | 'warn'>;
	/** how the files are to be */
	readonly publication?: Publication;
}

/**
 * @returns a function that looks once, and resolves with true when the CA wants the identity renewed soon; it
 * throws nothing but the signal's reason, a failure is for the log and leaves the bundle in use as it is
 */
export function createBundleFollower(directory: string, { ca, logger, publication }: FollowBundleDeps): (signal: AbortSignal) => Promise<boolean> {
	async function look(signal: AbortSignal): Promise<boolean> {
		const inUse = requireIdentity(directory);
		const answer = await ca.acknowledge(inUse, signal);
		const changed = answer?.digest === hexDigest(inUse.bundle) ? undefined : await ca.changedBundle(inUse.bundle, signal);
		if (!changed) return answer?.renew ?? false;
		await tryBundle(changed, signal);
		if (!(await publishBundle(directory, changed, publication))) return false;
		logger.info('another trust bundle is in use', { digest: hexDigest(changed) });
		return (await ca.acknowledge(requireIdentity(directory), signal))?.renew ?? false;
	}

	/** The CA itself must be trusted by it, at the same address and at the same moment. */
	async function tryBundle(bundle: Buffer, signal: AbortSignal): Promise<void> {
		requireBundle(bundle);
		const again = await ca.changedBundle(bundle, signal);
		if (again) throw new BirthmarkError('ca-unavailable', 'the trust bundle changes right now, or not all instances of the CA have the same');
	}

	return async (signal) => {
		try {
			return await look(signal);
		} catch (error) {
			if (signal.aborted) throw error;
			const message = 'the trust bundle could not be compared with the CA\'s, the one in use stays';
			if (errorCode(error) === 'ca-unavailable') logger.info(message, { error });
			else logger.warn(message, { error });
			return false;
		}
	};
}

/**
 * Replaces the bundle of whatever identity is published, if that identity is good under it.
 *
 * @returns false when another process published meanwhile, which decides again at its next look
 * @throws BirthmarkError `certificate-invalid`: its peers would refuse it, so the bundle has to wait for a renewal
 */
async function publishBundle(directory: string, bundle: Buffer, publication: Publication | undefined): Promise<boolean> {
	const before = requireIdentity(directory);
	const after = await validateIdentity({ ...before, bundle });
	if (requireIdentity(directory).leaf.serial !== before.leaf.serial) return false;
	publish(directory, after, publication);
	return true;
}

function hexDigest(bundle: Buffer): string {
	return bundleDigest(bundle).toString('hex');
}

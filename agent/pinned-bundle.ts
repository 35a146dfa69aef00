/**
 * The trust bundle to begin with: whoever it comes from, it is believed when its digest is the one that
 * the token carries. The plugin leaves the one that it uses beside the token, which spares a connection.
 */

import { timingSafeEqual } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { readOfferedBundle } from './agent-file.ts';
import { NEW_TOKEN, type CaClient } from './ca-client.ts';
import { retryWhileUnavailable, type RetryDeps } from './retry.ts';
import { requireClock } from './validate.ts';

export interface PinnedBundleDeps extends RetryDeps {
	readonly ca: Pick<CaClient, 'fetchBundle'>;
}

/**
 * From here on the bundle is trusted: these bytes and no others.
 *
 * @param deadline for asking the CA
 * @throws BirthmarkError `bundle-digest-mismatch`, `clock-skew`, and what the CA answers
 */
export async function pinnedBundle(directory: string, expectedDigest: Buffer, deadline: Date, signal: AbortSignal, deps: PinnedBundleDeps): Promise<Buffer> {
	const offered = readOfferedBundle(directory);
	// Another one: the CA replaces its root right now, or the plugin is of another CA than the token.
	if (offered && hasDigest(offered, expectedDigest)) return offered;
	const { bundle, date } = await retryWhileUnavailable(() => deps.ca.fetchBundle(expectedDigest, signal), deadline, signal, deps);
	if (!hasDigest(bundle, expectedDigest)) {
		throw new BirthmarkError('bundle-digest-mismatch', `the trust bundle is not the one whose digest the token carries: ${NEW_TOKEN}`);
	}
	// Before a wrong clock shows as a puzzling TLS error.
	requireClock(deps.clock, date);
	return bundle;
}

function hasDigest(bundle: Buffer, expected: Buffer): boolean {
	return timingSafeEqual(bundleDigest(bundle), expected);
}

/** One renewal: a fresh key, a certificate for it by mTLS with the old one, the same checks as at birth. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Clock } from '#common/runtime/clock.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { CaClient } from './ca-client.ts';
import type { Identity } from './identity.ts';
import { generateKey } from './key.ts';
import type { Publication } from './publication.ts';
import { publish, readIdentity } from './store.ts';
import { clockSkewSeconds, validateIdentity } from './validate.ts';

export interface RenewDeps {
	readonly ca: Pick<CaClient, 'renew'>;
	readonly clock: Clock;
	readonly logger: Pick<Logger, 'info' | 'warn'>;
	/** how the files are to be */
	readonly publication?: Publication;
}

const NOTEWORTHY_SKEW_SECONDS = 60;

/**
 * @returns the new identity, published
 * @throws BirthmarkError; the old identity is untouched then
 */
export async function renew(directory: string, signal: AbortSignal, { ca, clock, logger, publication }: RenewDeps): Promise<Identity> {
	const old = requireIdentity(directory);
	const { key, csr } = generateKey();
	const { chain, date } = await ca.renew(old.bundle, old, csr, signal);
	const renewed = await validateUnderBundleInUse(directory, { key, chain });
	if (renewed.leaf.spiffeId !== old.leaf.spiffeId) {
		throw new BirthmarkError(
			'certificate-invalid',
			'the renewed certificate has another SPIFFE ID than the one before',
		);
	}
	// Not an error as at birth: an application that runs is better off with the new certificate.
	const skew = clockSkewSeconds(clock, date);
	if (Math.abs(skew) > NOTEWORTHY_SKEW_SECONDS) logger.warn('the clocks of this machine and the CA are apart', { code: 'clock-skew', seconds: skew });
	publish(directory, renewed, publication);
	const remainingMs = renewed.leaf.notAfter.getTime() - clock.now().getTime();
	logger.info('identity renewed', { serial: renewed.leaf.serial, seconds: Math.round(remainingMs / 1000) });
	return renewed;
}

/** The bundle is read again until it stayed the same: another process may have followed the CA's meanwhile. */
async function validateUnderBundleInUse(directory: string, renewed: Pick<Identity, 'key' | 'chain'>): Promise<Identity> {
	for (;;) {
		const identity = await validateIdentity({ ...renewed, bundle: requireIdentity(directory).bundle });
		if (requireIdentity(directory).bundle.equals(identity.bundle)) return identity;
	}
}

/** @throws BirthmarkError `identity-missing` */
export function requireIdentity(directory: string): Identity {
	const identity = readIdentity(directory);
	if (!identity) throw new BirthmarkError('identity-missing', `there is no whole identity in ${directory}: restart the container, or run birthmark-agent once while there is a token`);
	return identity;
}

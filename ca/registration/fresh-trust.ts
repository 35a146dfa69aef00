/** What is to be done when another instance has changed the CA's keys or its trust bundle, and this one has not looked yet. */

import type { Authorities } from '../issuance/authorities.ts';
import { StaleIssuerError } from '../store/stale-issuer.ts';
import { UnknownBundleError } from './unknown-bundle.ts';

/**
 * @param work makes a certificate and stores it; the store refuses one of an issuer that is out of use
 * @returns the same, done once more where the issuer changed between the signature and the transaction,
 * and where the bundle that a token is for turns out to be a new one
 */
export function withFreshTrust<Args extends unknown[], Result>(
	authorities: Pick<Authorities, 'current' | 'refresh'>,
	work: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
	return async (...args) => {
		const known = authorities.current();
		try {
			return await work(...args);
		} catch (error) {
			if (!(error instanceof StaleIssuerError || error instanceof UnknownBundleError)) throw error;
			await authorities.refresh();
			if (error instanceof UnknownBundleError && authorities.current() === known) throw error;
			return work(...args);
		}
	};
}

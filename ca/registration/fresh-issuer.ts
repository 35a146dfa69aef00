/** What is to be done when the issuer changed between the signature and the transaction. */

import type { Authorities } from '../issuance/authorities.ts';
import { StaleIssuerError } from '../store/stale-issuer.ts';

/**
 * @param work makes a certificate and stores it; the store refuses one of an issuer that is out of use
 * @returns the same, done once more under the present issuer where that happened
 */
export function withFreshIssuer<Args extends unknown[], Result>(
	authorities: Pick<Authorities, 'refresh'>,
	work: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
	return async (...args) => {
		try {
			return await work(...args);
		} catch (error) {
			if (!(error instanceof StaleIssuerError)) throw error;
			await authorities.refresh();
			return work(...args);
		}
	};
}

/** The trust bundle of a CA whose workloads' certificates come from an external CA: its own roots, then those of the other. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { bundleDigest } from '#common/protocol/token.ts';
import { MAX_ROOTS } from '#common/x509/bundle.ts';
import { decodePem } from '#common/x509/pem.ts';
import type { Authorities, TrustState } from './authorities.ts';

/** Before, during and after a rotation, clients have to take the bundle. */
const MAX_EXTERNAL_ROOTS = MAX_ROOTS - 2;

/**
 * @param roots PEM
 * @throws BirthmarkError `config-invalid` when there are too many
 */
export function withExternalRoots(authorities: Authorities, roots: string): Authorities {
	const count = decodePem('CERTIFICATE', roots)!.length;
	if (count > MAX_EXTERNAL_ROOTS) throw new BirthmarkError('config-invalid', `the chain of externalCa holds ${count} roots: a trust bundle has room for ${MAX_EXTERNAL_ROOTS} beside those of this CA`);
	// One answer for one state: whoever compares two of them wants to know whether anything changed.
	const extended = new WeakMap<TrustState, TrustState>();
	return {
		current() {
			const own = authorities.current();
			const known = extended.get(own) ?? extend(own, roots);
			extended.set(own, known);
			return known;
		},
		refresh: () => authorities.refresh(),
	};
}

/** Tokens that were minted before the external CA came in stay good, and so do the bundles that they name. */
function extend(own: TrustState, roots: string): TrustState {
	const longer = [...own.bundles.values()].map((bundle) => Buffer.concat([bundle, Buffer.from(roots)]));
	const bundle = Buffer.concat([own.bundle, Buffer.from(roots)]);
	return {
		...own,
		bundle,
		digest: bundleDigest(bundle),
		acceptedDigests: [...longer.map(bundleDigest), ...own.acceptedDigests],
		bundles: new Map([...longer.map((each) => [bundleDigest(each).toString('hex'), each] as const), ...own.bundles]),
	};
}

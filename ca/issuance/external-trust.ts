/** The trust bundle of a CA whose workloads' certificates come from an external CA: its own roots, then those of the other. */

import { bundleDigest } from '#common/protocol/token.ts';
import type { Authorities, TrustState } from './authorities.ts';

/** @param roots PEM */
export function withExternalRoots(authorities: Authorities, roots: string): Authorities {
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

/**
 * Where a certificate says that it can be asked about: its partition's revocation list, OCSP, the
 * certificate of its issuer. Which partition is decided when it is made, because the address is part
 * of what is signed.
 */

import type { Placement } from '../issuance/issue.ts';
import type { Store } from '../store/store.ts';
import { issuerUrl, ocspUrl, partitionUrl } from './addresses.ts';

export interface PlacementDeps {
	readonly store: Pick<Store, 'openPartition'>;
	readonly clock: { now(): Date };
	/** of the public listener; null when nothing can be asked anywhere */
	readonly url: string | null;
	readonly partitionSize: number;
}

/** How long a partition is used without a look at how full it is: it may become larger by what is issued meanwhile. */
const LOOK_AFTER_MS = 5000;

/** @returns a function that says, for what this generation issues next, where it belongs */
export function createPlacement({ store, clock, url, partitionSize }: PlacementDeps): (generation: number) => Promise<Placement> {
	if (url === null) return async () => ({ partition: 0, pointers: {} });
	const known = new Map<number, { readonly at: number; readonly placement: Promise<Placement> }>();
	const open = async (generation: number): Promise<Placement> => {
		try {
			const partition = await store.openPartition(generation, url, partitionSize);
			return { partition, pointers: { crl: partitionUrl(url, partition), ocsp: ocspUrl(url), caIssuers: issuerUrl(url, generation) } };
		} catch (error) {
			known.delete(generation);
			throw error;
		}
	};
	return (generation) => {
		const at = clock.now().getTime();
		const last = known.get(generation);
		if (last && Math.abs(at - last.at) < LOOK_AFTER_MS) return last.placement;
		const placement = open(generation);
		known.set(generation, { at, placement });
		return placement;
	};
}

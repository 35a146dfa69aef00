/** Everything that says what is revoked: lists and OCSP, wired. */

import type { Authorities } from '../issuance/authorities.ts';
import type { Store } from '../store/store.ts';
import { openRevocationLists, type RevocationLists } from './lists.ts';
import { createOcsp, type Ocsp } from './ocsp.ts';
import { createOcspSigners } from './ocsp-signers.ts';

export interface RevocationDeps {
	readonly store: Store;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly clock: { now(): Date };
	readonly random: (bytes: number) => Uint8Array;
	readonly environment: string;
	readonly backdateSeconds: number;
	readonly crl: { readonly refreshSeconds: number; readonly lifetimeSeconds: number };
	readonly ocsp: { readonly lifetimeSeconds: number };
	readonly profiles: { readonly ocsp: { readonly lifetimeSeconds: number } };
}

/** Resolves when there is a list that covers whatever was revoked before. */
export async function openRevocation({ crl, ocsp, profiles, ...deps }: RevocationDeps): Promise<{ readonly lists: RevocationLists; readonly ocsp: Ocsp }> {
	const lists = await openRevocationLists({ ...deps, ...crl });
	const signers = createOcspSigners({ ...deps, ...profiles.ocsp });
	return { lists, ocsp: createOcsp({ ...deps, ...ocsp, signers }) };
}

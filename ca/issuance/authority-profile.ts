/** What roots and intermediates are like that are made from now on: the profile `ca` of the configuration. */

import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import type { NameConstraints, Pointers } from '#common/x509/extensions.ts';
import type { CaConfig } from '../config.ts';
import { intermediatePointers } from '../revocation/addresses.ts';

export interface AuthorityProfile {
	readonly rootLifetimeSeconds: number;
	readonly intermediateLifetimeSeconds: number;
	/** of intermediates */
	readonly constraints: NameConstraints;
	/** Where what the root of this generation signs can be asked about. */
	readonly pointersTo: (generation: number) => Pointers;
}

export function authorityProfile({ profiles, publicHttp: { url }, trustDomain }: Pick<CaConfig, 'profiles' | 'publicHttp' | 'trustDomain'>): AuthorityProfile {
	const { rootLifetimeSeconds, intermediateLifetimeSeconds, nameConstraints } = profiles.ca;
	const { dnsDomains, trustDomain: isUriConstrained } = nameConstraints;
	return {
		rootLifetimeSeconds,
		intermediateLifetimeSeconds,
		constraints: {
			// The CA is itself a server under its intermediate.
			...(dnsDomains.length > 0 && { dnsDomains: [...new Set([...dnsDomains, CA_SERVER_NAME])] }),
			...(isUriConstrained && { uriHost: trustDomain }),
		},
		pointersTo: (generation) => (url === null ? {} : intermediatePointers(url, generation)),
	};
}

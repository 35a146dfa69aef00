/** Who somebody is, as the demonstration shows it. */

import type { Party } from 'birthmark/client';

export interface Shown {
	readonly name: string;
	readonly role: string;
	readonly spiffeId: string;
}

export function describeParty({ commonName, organizationalUnit, spiffeId }: Party): Shown {
	return { name: commonName, role: organizationalUnit, spiffeId };
}

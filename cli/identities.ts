/** The list of identities, page by page. */

import type { Identity, IdentityList } from '#common/protocol/messages.ts';
import type { CaClient } from './ca-client.ts';

/** @param all also the revoked, expired and renewed ones */
export async function listIdentities(ca: Pick<CaClient, 'json'>, all: boolean): Promise<readonly Identity[]> {
	const identities: Identity[] = [];
	let after: string | undefined;
	do {
		const query = new URLSearchParams({ ...(all && { all: '1' }), ...(after !== undefined && { after }) });
		const page = await ca.json<IdentityList>('GET', `/v1/identities?${query}`);
		identities.push(...page.identities);
		after = page.next;
	} while (after !== undefined);
	return identities;
}

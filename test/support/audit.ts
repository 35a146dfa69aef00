/** What the CA decided since a moment, from its audit log. */

import type { AuditRecord } from '#common/protocol/audit-chain.ts';
import type { AuditPage } from '#common/protocol/messages.ts';
import { auditRecords } from '../../cli/audit-log.ts';
import type { World } from './world.ts';

/**
 * @param earlier how many records before this call are wanted as well
 * @returns a function that reads the records since this call
 */
export async function auditEvents({ ca }: Pick<World, 'ca'>, earlier = 0): Promise<() => Promise<readonly (AuditRecord & { readonly subject: string })[]>> {
	const { head } = await ca.json<AuditPage>('GET', '/v1/audit?limit=0');
	return async () => (await Array.fromAsync(auditRecords(ca, Math.max(0, head.sequence - earlier)))).map((record) => ({ subject: '', ...record }));
}

/** `ca audit-verify`: the audit log as it is in the database, proved without a CA that runs. */

import { createAuditVerifier, type AuditFault, type AuditHead } from '#common/protocol/audit-chain.ts';
import type { AuditStore } from '../store/store.ts';

const PAGE = 1000;

export interface AuditVerdict {
	/** the first record that is broken; absent when the chain is right */
	readonly fault?: AuditFault;
	/** up to which it is right */
	readonly head: AuditHead;
	/** events that are not part of the chain yet */
	readonly pending: number;
}

/** @param expected a head that was noted before */
export async function verifyAuditLog(store: Pick<AuditStore, 'listAudit' | 'countPendingEvents'>, expected?: AuditHead): Promise<AuditVerdict> {
	const verifier = createAuditVerifier(undefined, expected);
	const verdict = async (fault: AuditFault | undefined): Promise<AuditVerdict> => ({
		...(fault && { fault }), head: verifier.head, pending: await store.countPendingEvents(),
	});
	for (;;) {
		const records = await store.listAudit(verifier.head.sequence, PAGE);
		for (const record of records) {
			const fault = verifier.take(record);
			if (fault) return verdict(fault);
		}
		if (records.length < PAGE) return verdict(verifier.end());
	}
}

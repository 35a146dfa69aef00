/** `ca audit-verify`: on the database itself, so that it can be trusted more than the CA that it is about. */

import { formatAuditHead, parseAuditHead } from '#common/protocol/audit-chain.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { verifyAuditLog } from '../audit/verify.ts';
import { requireState } from '../open-state.ts';
import { loadConfig } from '../serve.ts';
import { statePaths } from '../state-folder.ts';
import { openStore } from '../store/open-store.ts';
import { defineCommand, report } from './command.ts';

export const auditVerify = defineCommand({
	name: 'audit-verify',
	usage: '[--expect NUMBER:HASH] [--json]',
	summary: 'proves that nobody has touched the audit log in the database, also while no CA runs; ends with 1 when somebody has',
	options: { expect: { type: 'string' }, json: { type: 'boolean' } },
	async run(state, { expect, json }, env) {
		const expected = expect === undefined ? undefined : parseAuditHead(expect);
		if (expect !== undefined && !expected) throw new BirthmarkError('usage', 'a head is written NUMBER:HASH');
		const config = await loadConfig(state, env);
		// An empty database in place of one that is gone would be found intact.
		await requireState({ state, config });
		const store = await openStore(config.database, statePaths(state).database);
		try {
			const { fault, head, pending } = await verifyAuditLog(store, expected);
			const text = fault ? `broken: ${fault.sentence}` : `intact, ${head.sequence} records and ${pending} not yet sealed; head ${formatAuditHead(head)}`;
			report(json, { intact: !fault, ...(fault && { fault }), head, pending }, text);
			return fault ? 1 : 0;
		} finally {
			await store.close();
		}
	},
});

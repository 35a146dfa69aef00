/** An exported audit log, line by line. */

import test from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AUDIT_GENESIS, auditLine, chainRecord, createAuditVerifier, type AuditRecord } from '#common/protocol/audit-chain.ts';
import { fileLines } from '../../../cli/audit-log.ts';
import { temporaryFolder } from '../../support/ca.ts';

const by = { role: 'node', name: 'host1' };

test('only a line feed ends a line: what nodes call their images may hold whatever else some take for an end', async (t) => {
	let head = AUDIT_GENESIS;
	const records = ['web:1', 'a\u2028b', 'a\u2029b', 'a\u0085b\u000bc', 'ä'.repeat(100_000)].map((image): AuditRecord => {
		const record = chainRecord(head, { at: '2026-01-01T00:00:00.000Z', by, action: 'authorization.create', outcome: 'done', details: { image } });
		head = record;
		return record;
	});
	const file = join(temporaryFolder(t), 'audit.jsonl');
	for (const [end, last] of [['\n', '\n'], ['\n', ''], ['\r\n', '\r\n']] as const) {
		writeFileSync(file, records.map(auditLine).join(end) + last);
		const verifier = createAuditVerifier();
		for await (const line of fileLines(file)) t.is(verifier.takeLine(line), undefined);
		t.is(verifier.head.sequence, records.length);
	}
	writeFileSync(file, '');
	t.deepEqual(await Array.fromAsync(fileLines(file)), []);
	await t.throwsAsync(Array.fromAsync(fileLines(`${file}.missing`)), { code: 'not-found' });
});

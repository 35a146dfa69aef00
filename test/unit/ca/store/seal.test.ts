/** The audit log's chain, on each backend. */

import test from 'ava';
import { createAuditVerifier } from '#common/protocol/audit-chain.ts';
import { verifyAuditLog } from '../../../../ca/audit/verify.ts';
import { recordEvent } from '../../../../ca/store/audit.ts';
import { createStore } from '../../../../ca/store/create-store.ts';
import { SYSTEM, type Actor } from '../../../../ca/store/records.ts';
import type { Store } from '../../../../ca/store/store.ts';
import { NOW } from '../../../support/records.ts';
import { backends } from '../../../support/stores.ts';

const ALICE: Actor = { role: 'operator', name: 'älice', source: '192.0.2.1' };

async function record(store: Store, count: number): Promise<void> {
	for (let index = 0; index < count; index++) {
		await store.addEvent(ALICE, { at: NOW, action: 'node.allow', outcome: 'done', subject: `host${index}`, details: { allow: ['a/b', 'ü/*'], count: index } });
	}
}

for (const backend of backends(test)) {
	const title = (text: string): string => `${backend.name}: ${text}`;

	backend.test(title('what waits is sealed in its order and waits no more'), async (t) => {
		const store = await backend.store(t);
		const { head: before } = await store.sealEvents(1000);
		await record(store, 7);
		t.is(await store.countPendingEvents(), 7);
		t.is((await store.sealEvents(3)).sealed, 3);
		t.is(await store.countPendingEvents(), 4);
		const { sealed, head } = await store.sealEvents(1000);
		t.is(sealed, 4);
		t.is(head.sequence, before.sequence + 7);
		t.deepEqual(await store.auditHead(), head);
		const records = await store.listAudit(before.sequence, 100);
		t.deepEqual(records.map(({ subject }) => subject), ['host0', 'host1', 'host2', 'host3', 'host4', 'host5', 'host6']);
		t.like(records[0], { at: NOW.toISOString(), by: ALICE, action: 'node.allow', outcome: 'done', details: { allow: ['a/b', 'ü/*'], count: 0 }, previous: before.hash });
		t.deepEqual(await verifyAuditLog(store, head), { head, pending: 0 });
		t.is((await store.sealEvents(1000)).sealed, 0);
	});

	backend.test(title('many who seal at once, while others decide, make one chain without a gap'), async (t) => {
		const store = await backend.store(t);
		await Promise.all([record(store, 20), record(store, 20), ...Array.from({ length: 8 }, () => store.sealEvents(5))]);
		while ((await store.sealEvents(10)).sealed > 0);
		const { fault, head, pending } = await verifyAuditLog(store);
		t.is(fault, undefined);
		t.is(pending, 0);
		const records = await store.listAudit(0, 1000);
		t.is(records.filter(({ by }) => by.name === ALICE.name).length, 40);
		t.is(records.length, head.sequence);
	});

	backend.test(title('a long log is verified page by page'), async (t) => {
		const database = await backend.database(t);
		const store = createStore(database);
		await database.transaction(async (sql) => {
			for (let index = 0; index < 2100; index++) await recordEvent(sql, SYSTEM, { at: NOW, action: 'test', outcome: 'done', subject: String(index) });
		});
		while ((await store.sealEvents(500)).sealed > 0);
		const { fault, head } = await verifyAuditLog(store);
		t.is(fault, undefined);
		t.true(head.sequence >= 2100);
		const verifier = createAuditVerifier(head);
		t.is(verifier.end(), undefined);
	});
}

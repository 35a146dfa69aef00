import test from 'ava';
import { createRefusals } from '../../../../ca/audit/refusals.ts';
import { createDefence } from '../../../../ca/defence/defence.ts';
import type { AuditEvent } from '../../../../ca/store/records.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { movableClock } from '../../../support/ca.ts';

const settings = () => ({ windowSeconds: 60, failures: 1, addressFailures: 1, shutOutSeconds: 10, maximumSeconds: 60, sources: 1000 });

test('a flood of addresses that are shut out does not fill the audit log', async (t) => {
	const events: AuditEvent[] = [];
	const refusals = createRefusals({ store: { addEvent: async (_by, event) => void events.push(event) }, clock: movableClock(), logger: silentLogger });
	const defence = createDefence({ settings, refusals, logger: silentLogger });
	for (let host = 0; host < 500; host++) defence.onShutOut({ kind: 'address', key: `2001:db8:0:${host.toString(16)}::/64` }, 10, 'token-unknown');
	t.is(events.length, 60);
	await refusals.tellLeftOut(true);
	t.like(events.at(-1), { action: 'refusals.left-out', details: { count: 440 } });
});

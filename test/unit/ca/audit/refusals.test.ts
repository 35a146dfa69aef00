import test from 'ava';
import { createRefusals } from '../../../../ca/audit/refusals.ts';
import type { Actor, AuditEvent } from '../../../../ca/store/records.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { movableClock } from '../../../support/ca.ts';

const anonymous = (source: string): Actor => ({ role: 'anonymous', name: '', source });
const refusal = { action: 'POST /v1/sign', outcome: 'refused', details: { code: 'token-unknown' } } as const;

function start() {
	const events: (AuditEvent & { by: Actor })[] = [];
	const clock = movableClock();
	const refusals = createRefusals({ store: { addEvent: async (by, event) => void events.push({ by, ...event }) }, clock, logger: silentLogger });
	return { events, clock, refusals };
}

test('a refusal is recorded with who, what and why', async (t) => {
	const { events, refusals } = start();
	await refusals.record(anonymous('192.0.2.1'), refusal);
	t.like(events, [{ by: { source: '192.0.2.1' }, action: 'POST /v1/sign', outcome: 'refused', details: { code: 'token-unknown' } }]);
});

test('of one source only so many are written out, the rest is counted, and others are not touched', async (t) => {
	const { events, refusals, clock } = start();
	for (let time = 0; time < 1000; time++) await refusals.record(anonymous('192.0.2.1'), refusal);
	t.is(events.length, 60);
	await refusals.record(anonymous('192.0.2.2'), refusal);
	await refusals.record({ role: 'node', name: 'host1', source: '192.0.2.1' }, refusal);
	t.is(events.length, 62);
	clock.advance(60);
	await refusals.record(anonymous('192.0.2.1'), refusal);
	t.is(events.length, 63);
});

test('how many were left out is recorded once a minute, and at the end, whoever comes or does not', async (t) => {
	const { events, refusals, clock } = start();
	const flood = async () => {
		for (let time = 0; time < 100; time++) await refusals.record(anonymous('192.0.2.1'), refusal);
	};
	const told = () => events.filter(({ action }) => action === 'refusals.left-out').map(({ details }) => details?.['count']);
	await flood();
	await refusals.tellLeftOut();
	t.deepEqual(told(), []);
	clock.advance(60);
	await refusals.tellLeftOut();
	await refusals.tellLeftOut();
	t.deepEqual(told(), [40]);
	clock.advance(60);
	await refusals.tellLeftOut();
	t.deepEqual(told(), [40], 'none since then');
	await flood();
	await refusals.tellLeftOut();
	t.deepEqual(told(), [40, 40]);
	await flood();
	await refusals.tellLeftOut(true);
	t.deepEqual(told(), [40, 40, 100]);
});

test('a store that does not work loses no count', async (t) => {
	let isDown = false;
	const events: AuditEvent[] = [];
	const addEvent = async (_by: Actor, event: AuditEvent) => {
		if (isDown) throw new Error('disk full');
		events.push(event);
	};
	const refusals = createRefusals({ store: { addEvent }, clock: movableClock(), logger: silentLogger });
	for (let time = 0; time < 100; time++) await refusals.record(anonymous('192.0.2.1'), refusal);
	isDown = true;
	await refusals.tellLeftOut(true);
	isDown = false;
	await refusals.tellLeftOut(true);
	t.deepEqual(events.at(-1)?.details, { count: 40 });
});

test('whoever has many addresses has few records: of a /64 as of one address, of all the anonymous together so many', async (t) => {
	const { events, refusals, clock } = start();
	for (let host = 0; host < 500; host++) await refusals.record(anonymous(`2001:db8:0:1::${host.toString(16)}`), refusal);
	t.is(events.length, 60);
	for (let network = 0; network < 4000; network++) await refusals.record(anonymous(`2001:db8:1:${network.toString(16)}::1`), refusal);
	t.is(events.length, 600);
	await refusals.record({ role: 'node', name: 'host1', source: '192.0.2.1' }, refusal);
	t.is(events.length, 601);
	clock.advance(60);
	await refusals.tellLeftOut();
	t.is(events.at(-1)?.details?.['count'], 3900);
});

test('a store that does not work makes no refusal fail', async (t) => {
	const errors: string[] = [];
	const store = { addEvent: () => Promise.reject(new Error('disk full')) };
	const refusals = createRefusals({ store, clock: movableClock(), logger: { error: (message) => void errors.push(message) } });
	await t.notThrowsAsync(refusals.record(anonymous('192.0.2.1'), refusal));
	t.is(errors.length, 1);
});

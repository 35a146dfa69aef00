import test, { type ExecutionContext } from 'ava';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { startOutbox } from '../../../plugin/outbox.ts';
import type { OutboxEntry } from '../../../plugin/records.ts';
import { FakePluginCa } from '../../fakes/plugin-ca.ts';

/** An outbox over a list; `empty` resolves when everything was delivered, up to those that are to stay. */
function outboxOver(t: ExecutionContext, entries: OutboxEntry[], ca = new FakePluginCa(), staying = 0) {
	const { promise: empty, resolve } = Promise.withResolvers<void>();
	let delivered = 0;
	const outbox = startOutbox({
		records: {
			nextInOutbox: (after = 0) => entries.find(({ id }) => id > after),
			removeFromOutbox: (id) => {
				entries.splice(entries.findIndex((entry) => entry.id === id), 1);
				if (entries.length === staying) resolve();
			},
		},
		ca,
		onDelivered: () => void delivered++,
		settleMs: 0,
		logger: silentLogger,
	});
	t.teardown(() => outbox.close());
	return { outbox, ca, empty, delivered: () => delivered };
}

const start = (id: number): OutboxEntry => ({ id, authorizationId: 'a', startId: `s${id}` });

test('starts are revoked and containers ended, in order', async (t) => {
	const { ca, empty } = outboxOver(t, [start(1), start(2), { id: 3, authorizationId: 'a' }]);
	await empty;
	t.deepEqual(ca.revoked, [1, 2].map((id) => ({ authorizationId: 'a', startId: `s${id}`, reason: 'cessationOfOperation' })));
	t.deepEqual(ca.ended, ['a']);
});

test('what the CA could not take stays and is delivered later', async (t) => {
	const ca = new FakePluginCa();
	ca.failure = new BirthmarkError('ca-unavailable');
	const entries = [start(1)];
	const { empty, outbox } = outboxOver(t, entries, ca);
	await new Promise((resolve) => setImmediate(resolve));
	t.is(entries.length, 1);
	ca.failure = undefined;
	outbox.wake();
	await empty;
	t.is(ca.revoked.length, 1);
});

test('one that the CA never takes does not keep the others waiting', async (t) => {
	const ca = new FakePluginCa();
	const { revoke } = ca;
	ca.revoke = (request) => (request.startId === 's1' ? Promise.reject(new BirthmarkError('forbidden')) : revoke.call(ca, request));
	const entries = [start(1), start(2), start(3)];
	const { outbox, delivered, empty } = outboxOver(t, entries, ca, 1);
	await new Promise((resolve) => setImmediate(resolve));
	t.is(delivered(), 0);
	outbox.wake();
	await empty;
	t.deepEqual(ca.revoked.map(({ startId }) => startId), ['s2', 's3']);
	t.deepEqual(entries, [start(1)]);
});

test('an end is not told before it has settled, and all that came meanwhile are told then', async (t) => {
	t.timeout(60_000);
	const entries: OutboxEntry[] = [];
	const { outbox, ca, empty } = outboxOver(t, entries);
	await new Promise((resolve) => setImmediate(resolve));
	entries.push(start(1));
	outbox.wake();
	entries.push(start(2));
	outbox.wake();
	await null;
	t.deepEqual(ca.revoked, []);
	await empty;
	t.deepEqual(ca.revoked.map(({ startId }) => startId), ['s1', 's2']);
});

test('it tries again by itself', async (t) => {
	const ca = new FakePluginCa();
	const revoke = ca.revoke.bind(ca);
	let attempts = 0;
	ca.revoke = (request) => (++attempts < 2 ? Promise.reject(new BirthmarkError('ca-unavailable')) : revoke(request));
	await outboxOver(t, [start(1)], ca).empty;
	t.is(attempts, 2);
});

test('what the CA has forgotten does not hold up the rest', async (t) => {
	const ca = new FakePluginCa();
	const revoke = ca.revoke.bind(ca);
	ca.revoke = (request) => (request.startId === 's1' ? Promise.reject(new BirthmarkError('authorization-unknown')) : revoke(request));
	await outboxOver(t, [start(1), start(2)], ca).empty;
	t.deepEqual(ca.revoked.map(({ startId }) => startId), ['s2']);
});

const ABANDONED = { containerId: 'c'.repeat(64), commonName: 'api01', organizationalUnit: 'web-api', dnsNames: [], image: 'app:1' };

test('what was abandoned is asked for once more, and ended', async (t) => {
	const { ca, empty } = outboxOver(t, [{ id: 1, abandoned: ABANDONED }]);
	await empty;
	t.deepEqual(ca.authorized, [ABANDONED]);
	t.deepEqual(ca.ended, ['authorization-1']);
});

for (const code of ['authorization-ended', 'name-not-allowed', 'forbidden'] as const) {
	test(`what was abandoned and is refused with ${code} is over`, async (t) => {
		const ca = new FakePluginCa();
		ca.authorize = () => Promise.reject(new BirthmarkError(code));
		await outboxOver(t, [{ id: 1, abandoned: ABANDONED }], ca).empty;
		t.deepEqual(ca.ended, []);
	});
}

test('what was abandoned waits for a CA that is away', async (t) => {
	const ca = new FakePluginCa();
	ca.failure = new BirthmarkError('ca-unavailable');
	const { empty, outbox } = outboxOver(t, [{ id: 1, abandoned: ABANDONED }], ca);
	await new Promise((resolve) => setImmediate(resolve));
	ca.failure = undefined;
	outbox.wake();
	await empty;
	t.deepEqual(ca.ended, ['authorization-1']);
});

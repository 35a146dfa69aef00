/** Demands for renewals against a real CA: who may ask, who is told, and when. */

import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import type { AcknowledgeAnswer } from '#common/protocol/messages.ts';
import type { NodeDemands, RenewalDemand } from '#common/protocol/renewal-demands.ts';
import { createRenewalDemands } from '../../../../ca/registration/renewal-demands.ts';
import { newKey, sha256, startBeside, startCa, type Credentials, type TestCa } from '../../../support/ca.ts';

const next = async (ca: TestCa, credentials: Credentials, after: number, wait = 0): Promise<NodeDemands> => {
	const query = [...(after > 0 ? [`after=${after}`] : []), ...(wait > 0 ? [`wait=${wait}`] : [])].join('&');
	const answer = await ca.request('GET', `/v1/renewal-demands?${query}`, { credentials });
	if (answer.status !== 200) throw new Error(answer.text);
	return answer.json<NodeDemands>();
};
const demand = async (ca: TestCa, body: object): Promise<RenewalDemand> => {
	const answer = await ca.admin('POST', '/v1/renewal-demands', body);
	if (answer.status !== 201) throw new Error(answer.text);
	return answer.json<RenewalDemand>();
};

test('a node that waits hears of a demand at once, and of nothing that concerns others or was done already', async (t) => {
	const ca = await startCa(t);
	const [host1, host2] = [await ca.join('host1'), await ca.join('host2')];
	const api = await ca.enrol(host1, 'api01', 'web');
	await ca.enrol(host2, 'api02', 'web');
	t.deepEqual(await next(ca, host1, 0), { number: 0, demands: [] });
	const waiting = next(ca, host1, 0, 20);
	const made = await demand(ca, { all: true });
	t.like(made, { number: 1, renewed: 0, pending: 2, over: 0 });
	const heard = await waiting;
	t.is(heard.number, 1);
	t.deepEqual(heard.demands.map(({ authorizationId }) => authorizationId), [api.authorizationId]);
	t.deepEqual((await next(ca, host2, 1)).demands, [], 'it knows of that one');
	t.is((await next(ca, host2, 0)).demands.length, 1);

	t.is((await ca.request('POST', '/v1/renew', { credentials: api, body: newKey().csr() })).status, 200);
	t.deepEqual((await next(ca, host1, 0)).demands, []);
	const progress = (await ca.admin('GET', '/v1/renewal-demands/1')).json<RenewalDemand>();
	t.like(progress, { renewed: 1, pending: 1, over: 0 });
	t.deepEqual(progress.notRenewed.map(({ commonName }) => commonName), ['api02']);
	t.like((await ca.admin('POST', '/v1/renewal-demands/1/revocation', {})).json(), { revoked: 1 });
	t.is((await ca.request('GET', '/v1/whoami', { credentials: api })).status, 403);
});

test('a second wait of the same node ends the first', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	const first = next(ca, host, 0, 20);
	let second: Promise<NodeDemands> | undefined;
	// Not before the first is held: whichever comes second ends the other.
	await Promise.race([first, (second = next(ca, host, 0, 20))]);
	await demand(ca, { all: true });
	t.deepEqual([await first, await second].map(({ number }) => number).sort(), [0, 1]);
});

test('a CA that ends does not keep anybody waiting', async (t) => {
	const ca = await startCa(t);
	const waiting = next(ca, await ca.join('host1'), 0, 20);
	// It may hold the request by now, or have it before it, which is as good.
	await ca.request('GET', '/readyz');
	const [answer] = await Promise.allSettled([waiting, ca.close()]);
	if (answer.status === 'fulfilled') t.deepEqual(answer.value, { number: 0, demands: [] });
	else t.regex(String(answer.reason), /ECONN|socket/);
});

test('whoever has no plugin that could tell it hears of a demand when it acknowledges its trust bundle', async (t) => {
	const ca = await startCa(t);
	const api = await ca.enrol(await ca.join('host1'), 'api01', 'web');
	const acknowledge = async (credentials: Credentials): Promise<boolean> => (await ca.request('POST', '/v1/bundle/acknowledge', { credentials, body: { digest: sha256(ca.bundle) } })).json<AcknowledgeAnswer>().renew;
	t.false(await acknowledge(api));
	await demand(ca, { commonName: 'api01' });
	t.true(await acknowledge(api));
	const key = newKey();
	const { text: cert } = await ca.request('POST', '/v1/renew', { credentials: api, body: key.csr() });
	t.false(await acknowledge({ key: key.pem, cert }));
});

test('a demand says whom it means in exactly one way', async (t) => {
	const ca = await startCa(t);
	for (const body of [{}, { all: true, node: 'host1' }, { all: false }, { commonName: 'a', serial: '00' }, { everybody: true }]) {
		t.is((await ca.admin('POST', '/v1/renewal-demands', body)).json()['code'], 'request-malformed', JSON.stringify(body));
	}
	for (const number of ['0', '1', 'x', '99999999999999999999']) t.is((await ca.admin('GET', `/v1/renewal-demands/${number}`)).json()['code'], 'not-found', number);
	for (const query of ['wait=21', 'wait=x', 'after=-1']) t.is((await ca.request('GET', `/v1/renewal-demands?${query}`, { credentials: await ca.join(`host-${query.length}${query.codePointAt(5)}`) })).json()['code'], 'request-malformed', query);
});

test('a demand is in the audit log', async (t) => {
	const ca = await startCa(t);
	await ca.enrol(await ca.join('host1'), 'api01', 'web');
	await demand(ca, { commonName: 'api01' });
	await ca.lookAfter();
	const find = async () => (await ca.admin('GET', '/v1/audit')).json<{ records: { action: string; subject: string; details: object }[] }>().records.find(({ action }) => action === 'renewal.demand');
	let record = await find();
	while (!record) record = await find();
	t.like(record, { subject: 'api01', details: { selector: 'commonName', number: 1, demanded: 1 } });
});

test('a demand of another instance is found by looking', async (t) => {
	let last = 3;
	const asked: number[] = [];
	const store = {
		lastDemand: async () => last,
		listDemands: async (_node: string, after: number) => (asked.push(after), [{ serial: '00', authorizationId: 'a' }]),
	};
	const demands = createRenewalDemands({ store: store as never, clock: { now: () => new Date() } });
	t.teardown(() => demands.close());
	const waiting = demands.next('host1', 3, 600_000);
	await setImmediate();
	last = 4;
	t.is((await waiting).number, 4);
	t.deepEqual(asked, [3]);
	// A database that was restored is behind: everything pending counts again.
	last = 1;
	t.is((await demands.next('host1', 4, 600_000)).number, 1);
	t.deepEqual(asked, [3, 0]);
});

// Several instances want a server that they share.
(process.env['BIRTHMARK_TEST_SERVER'] === undefined ? test.skip : test)('of two instances either hears of what was demanded at the other', async (t) => {
	const ca = await startCa(t);
	const beside = await startBeside(t, ca);
	const host = await ca.join('host1');
	await ca.enrol(host, 'api01', 'web');
	const waiting = next(beside, host, 0, 20);
	await demand(ca, { all: true });
	t.is((await waiting).demands.length, 1);
});

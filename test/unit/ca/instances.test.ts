/** Several instances of one CA on one PostgreSQL server, without a leader. */

import test, { type ExecutionContext } from 'ava';
import { X509Certificate } from 'node:crypto';
import { Agent, request } from 'node:https';
import { CA_SERVER_NAME, type RevokeAnswer } from '#common/protocol/messages.ts';
import { newKey, startBeside, startCa, type TestCa } from '../../support/ca.ts';
import { startPostgres } from '../../support/postgres.ts';
import { postgresFor } from '../../support/stores.ts';

const postgres = postgresFor(test);

async function twoInstances(t: ExecutionContext): Promise<[TestCa, TestCa]> {
	const ca = await startCa(t, { config: { database: { url: await (await postgres.server()).newDatabase(), poolSize: 10 } } });
	return [ca, await startBeside(t, ca)];
}

/** Redeems over connections that are kept, as fast as the CA goes. */
function redeemer(t: ExecutionContext, { port, bundle }: TestCa) {
	const agent = new Agent({ keepAlive: true, maxSockets: 32, ca: bundle, servername: CA_SERVER_NAME });
	t.teardown(() => agent.destroy());
	return (token: string, csr: string) => new Promise<{ status: number; text: string }>((resolve, reject) => {
		const call = request({ agent, host: '127.0.0.1', port, method: 'POST', path: '/v1/sign', headers: { authorization: `Bearer ${token}` } }, (response) => {
			let text = '';
			response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).once('end', () => resolve({ status: response.statusCode ?? 0, text }));
		});
		call.once('error', reject);
		call.end(csr);
	});
}

postgres.test('a thousand who redeem one token at two instances at once: one gets a certificate', async (t) => {
	const instances = await twoInstances(t);
	const node = await instances[0].join('host1');
	const { id } = await instances[1].authorize(node, { commonName: 'web01' });
	const token = await instances[0].mint(node, id);
	const redeem = instances.map((ca) => redeemer(t, ca));
	const requests = Array.from({ length: 1000 }, () => newKey().csr());
	const answers = await Promise.all(requests.map((csr, index) => redeem[index % 2]!(token, csr)));
	const outcomes = answers.map(({ status, text }) => (status === 200 ? 'issued' : String((JSON.parse(text) as { code: unknown }).code)));
	t.deepEqual(outcomes.toSorted(), ['issued', ...Array.from({ length: 999 }, () => 'token-used')]);
	const { identities } = (await instances[1].admin('GET', '/v1/identities/web01')).json<{ identities: Array<{ serial: string }> }>();
	const { serialNumber } = new X509Certificate(answers.find(({ status }) => status === 200)!.text);
	t.deepEqual(identities.map(({ serial }) => serial), [serialNumber.toLowerCase()]);
});

postgres.test('what one instance has decided holds at the other at once', async (t) => {
	const [one, other] = await twoInstances(t);
	const node = await one.join('host1');
	const web = await other.enrol(node, 'web01', 'web');
	t.is((await one.request('GET', '/v1/whoami', { credentials: web })).status, 200);
	await one.request('DELETE', `/v1/authorizations/${web.authorizationId}`, { credentials: node });
	for (const ca of [one, other]) {
		t.is((await ca.request('GET', '/v1/whoami', { credentials: web })).json()['code'], 'certificate-revoked');
		t.is((await ca.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() })).json()['code'], 'certificate-revoked');
	}
	await other.admin('DELETE', '/v1/nodes/host1');
	t.is((await one.request('POST', '/v1/authorize', { credentials: node, body: {} })).json()['code'], 'certificate-revoked');
});

postgres.test('the numbers of revocation lists only grow, whichever instance makes them', async (t) => {
	const instances = await twoInstances(t);
	const node = await instances[0].join('host1');
	const numbers: number[] = [];
	for (let round = 0; round < 4; round++) {
		await instances[0].enrol(node, `web0${round}`, 'web');
		numbers.push((await instances[round % 2]!.admin('POST', '/v1/revoke', { commonName: `web0${round}` })).json<RevokeAnswer>().crlNumber);
	}
	t.deepEqual(numbers, [...new Set(numbers)].toSorted((one, other) => one - other));
});

postgres.test('instances that start at once on an empty database do not get in each other\'s way', async (t) => {
	const url = await (await postgres.server()).newDatabase();
	const first = await startCa(t, { config: { database: { url } } });
	const [second, third] = await Promise.all([startBeside(t, first), startBeside(t, first)]);
	for (const ca of [first, second, third]) t.is((await ca.request('GET', '/readyz')).status, 200);
});

postgres.test('the database goes away and comes back: 503 meanwhile, and afterwards everything works, without a restart', async (t) => {
	const server = await startPostgres();
	t.teardown(() => server.remove());
	const ca = await startCa(t, { config: { database: { url: await server.newDatabase() } } });
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	await server.stop('immediate');
	const refused = await ca.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() });
	t.is(refused.status, 503);
	t.is(refused.json()['code'], 'ca-unavailable');
	t.is((await ca.request('GET', '/healthz')).status, 200);
	await server.start();
	t.is((await ca.request('POST', '/v1/renew', { credentials: web, body: newKey().csr() })).status, 200);
	t.is((await ca.request('GET', '/readyz')).status, 200);
});

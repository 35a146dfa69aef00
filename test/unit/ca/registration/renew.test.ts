/** Renewal of workloads, nodes and operators. */

import test from 'ava';
import { X509Certificate } from 'node:crypto';
import type { IdentityList } from '#common/protocol/messages.ts';
import { movableClock, newKey, startCa, type Credentials, type KeyPair, type TestCa } from '../../../support/ca.ts';

function renew(ca: TestCa, credentials: Credentials, key: KeyPair = newKey()) {
	return ca.request('POST', '/v1/renew', { credentials, body: key.csr() });
}

test('a renewal has the names of the registry, whatever the request says, and the old certificate stays valid', async (t) => {
	const ca = await startCa(t);
	const web = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	const key = newKey();
	const answer = await ca.request('POST', '/v1/renew', { credentials: web, body: key.csr('db01') });
	t.is(answer.status, 200);
	const next = { key: key.pem, cert: answer.text };
	t.is(new X509Certificate(next.cert).subject, new X509Certificate(web.cert).subject);
	t.is(new X509Certificate(next.cert).subjectAltName, new X509Certificate(web.cert).subjectAltName);
	for (const credentials of [web, next]) t.is((await ca.request('GET', '/v1/whoami', { credentials })).status, 200);
	const listed = (await ca.admin('GET', '/v1/identities')).json<IdentityList>().identities.filter(({ role }) => role === 'workload');
	t.like(listed, [{ commonName: 'web01', renewals: 1, status: 'live' }]);
	t.is((await ca.admin('GET', '/v1/identities/web01')).json<IdentityList>().identities.length, 2);
});

test('nodes and operators renew as well', async (t) => {
	const ca = await startCa(t);
	for (const current of [await ca.join('host1'), await ca.join('alice', [], 'operator')]) {
		const key = newKey();
		const next = { key: key.pem, cert: (await renew(ca, current, key)).text };
		t.is(new X509Certificate(next.cert).subject, new X509Certificate(current.cert).subject);
		t.is((await ca.request('GET', '/v1/whoami', { credentials: next })).status, 200);
	}
});

test('a key is certified once: a renewal wants a fresh one', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	const other = await ca.enrol(node, 'web02', 'web');
	t.is((await renew(ca, web, web.keyPair)).json()['code'], 'csr-key-reused');
	t.is((await renew(ca, web, other.keyPair)).json()['code'], 'csr-key-reused');
});

test('a renewal whose answer was lost is answered alike, also when it comes many times at once', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock, config: { redemptionWindowSeconds: 60 } });
	const web = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	const key = newKey();
	const answers = await Promise.all(Array.from({ length: 20 }, () => renew(ca, web, key)));
	t.is(new Set(answers.map(({ text }) => text)).size, 1);
	t.is(answers[0]!.status, 200);
	clock.advance(61);
	t.is((await renew(ca, web, key)).json()['code'], 'csr-key-reused');
});

test('a container that is gone, and a start that was closed, renew nothing', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const gone = await ca.enrol(node, 'web01', 'web');
	const closed = await ca.enrol(node, 'web02', 'web');
	await ca.request('DELETE', `/v1/authorizations/${gone.authorizationId}`, { credentials: node });
	await ca.request('POST', '/v1/revoke', { credentials: node, body: { authorizationId: closed.authorizationId, startId: closed.startId } });
	t.is((await renew(ca, gone)).json()['code'], 'certificate-revoked');
	t.is((await renew(ca, closed)).json()['code'], 'certificate-revoked');
});

test('the admin socket has nothing to renew', async (t) => {
	const ca = await startCa(t);
	t.is((await ca.admin('POST', '/v1/renew')).json()['code'], 'unauthenticated');
});

/** What a revocation reaches: chains of renewals, many at once, dry runs, keys. */

import test from 'ava';
import { X509Certificate } from 'node:crypto';
import type { IdentityList, RevocationsAnswer, RevokeAnswer } from '#common/protocol/messages.ts';
import { newKey, startCa, type Credentials, type KeyPair, type TestCa } from '../../../support/ca.ts';

function serialOf(credentials: Pick<Credentials, 'cert'>): string {
	return new X509Certificate(credentials.cert).serialNumber.toLowerCase();
}

async function codeOf(ca: TestCa, credentials: Credentials): Promise<unknown> {
	return (await ca.request('GET', '/v1/whoami', { credentials })).json()['code'];
}

async function renew(ca: TestCa, credentials: Credentials, key: KeyPair = newKey()): Promise<Credentials> {
	const { status, text } = await ca.request('POST', '/v1/renew', { credentials, body: key.csr() });
	if (status !== 200) throw new Error(text);
	return { key: key.pem, cert: text };
}

async function revoke(ca: TestCa, body: object): Promise<RevokeAnswer> {
	return (await ca.admin('POST', '/v1/revoke', body)).json<RevokeAnswer>();
}

test('a chain of renewals is revoked as a whole, from any of its certificates, and one certificate alone when that is asked for', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	const chain: Credentials[] = [await ca.enrol(host, 'web01', 'web')];
	for (let round = 0; round < 3; round++) chain.push(await renew(ca, chain.at(-1)!));
	const other = await ca.enrol(host, 'web01', 'web');
	t.is((await revoke(ca, { serial: serialOf(chain[1]!) })).revoked, 1);
	t.deepEqual(await Promise.all(chain.map((one) => codeOf(ca, one))), [undefined, 'certificate-revoked', undefined, undefined]);
	t.is((await revoke(ca, { serial: serialOf(chain[1]!), chain: true })).revoked, 3);
	t.deepEqual(await Promise.all(chain.map((one) => codeOf(ca, one))), Array(4).fill('certificate-revoked'));
	t.is(await codeOf(ca, other), undefined, 'another container of the same name is another chain');
	await t.throwsAsync(renew(ca, chain[3]!), { message: /certificate-revoked/ });
});

test('a dry run says what would be revoked, and revokes nothing', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	const web = [await ca.enrol(host, 'web01', 'web'), await ca.enrol(host, 'web01', 'web')];
	const answer = await revoke(ca, { commonName: 'web01', dryRun: true });
	t.is(answer.revoked, 2);
	t.deepEqual(answer.identities!.map(({ serial }) => serial).sort(), web.map(serialOf).sort());
	t.like(answer.identities![0], { status: 'live', commonName: 'web01', node: 'host1', image: 'test:1' });
	t.is(await codeOf(ca, web[0]!), undefined);
	t.is((await revoke(ca, { commonName: 'web01' })).revoked, 2);
	t.is((await ca.admin('POST', '/v1/revoke', { serial: '4'.repeat(32), dryRun: true })).json()['code'], 'certificate-unknown');
});

test('many are revoked with one call, each on its own and in the order of the request', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	const [first, second, third] = [await ca.enrol(host, 'web01', 'web'), await ca.enrol(host, 'web02', 'web'), await ca.enrol(host, 'web03', 'web')];
	const revocations = [
		{ serial: serialOf(first), reason: 'superseded' },
		{ serial: '4'.repeat(32) },
		{ commonName: 'web02', node: 'host1' },
		{ commonName: 'web02' },
		{ commonName: 'nobody' },
	];
	const dry = (await ca.admin('POST', '/v1/revocations', { revocations, dryRun: true })).json<RevocationsAnswer>();
	t.deepEqual(dry.results.map(({ revoked }) => revoked), [1, 0, 0, 1, 0]);
	t.is(dry.results[0]!.identities![0]!.serial, serialOf(first));
	t.is(await codeOf(ca, first), undefined);
	const answer = (await ca.admin('POST', '/v1/revocations', { revocations })).json<RevocationsAnswer>();
	t.deepEqual(answer.results.map(({ revoked, code }) => [revoked, code]), [[1, undefined], [0, 'certificate-unknown'], [0, 'request-malformed'], [1, undefined], [0, undefined]]);
	t.is(answer.revoked, 2);
	t.deepEqual([await codeOf(ca, first), await codeOf(ca, second), await codeOf(ca, third)], ['certificate-revoked', 'certificate-revoked', undefined]);
	const number = Number((await ca.request('GET', '/v1/crl')).headers.etag!.slice(1, -1));
	t.is(answer.crlNumber, number);
	for (const body of [{ revocations: [] }, { revocations: Array(501).fill({ commonName: 'a' }) }, { revocations: [{ dryRun: true, commonName: 'a' }] }]) {
		t.is((await ca.admin('POST', '/v1/revocations', body)).json()['code'], 'request-malformed');
	}
});

test('a node reaches only its own, also by chains and with many at once', async (t) => {
	const ca = await startCa(t);
	const [host, other] = [await ca.join('host1'), await ca.join('host2')];
	const [mine, foreign] = [await ca.enrol(host, 'web01', 'web'), await ca.enrol(other, 'web01', 'web')];
	const body = { revocations: [{ serial: serialOf(foreign), chain: true }, { node: 'host2' }, { commonName: 'web01', reason: 'keyCompromise' }] };
	const { results } = (await ca.request('POST', '/v1/revocations', { credentials: host, body })).json<RevocationsAnswer>();
	t.deepEqual(results.map(({ revoked, code }) => [revoked, code]), [[0, 'certificate-unknown'], [0, 'forbidden'], [1, undefined]]);
	t.deepEqual([await codeOf(ca, mine), await codeOf(ca, foreign)], ['certificate-revoked', undefined]);
});

test('a key that was revoked as compromised is never certified again: not by a token, not by a renewal, not for a node', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	const web = await ca.enrol(host, 'web01', 'web');
	const next = await ca.enrol(host, 'web02', 'web');
	const sameKey = (await ca.sign(await ca.mint(host, (await ca.authorize(host, { commonName: 'web03' })).id), web.keyPair)).text;
	t.is((await revoke(ca, { serial: serialOf(web), reason: 'keyCompromise' })).revoked, 2, 'the other certificate over the same key goes with it');
	t.is(await codeOf(ca, { key: web.key, cert: sameKey }), 'certificate-revoked');

	const { id } = await ca.authorize(host, { commonName: 'web04' });
	const token = await ca.mint(host, id);
	t.is((await ca.sign(token, web.keyPair)).json()['code'], 'csr-key-compromised');
	t.is((await ca.sign(token, newKey())).status, 200, 'the refusal left the token as it was');
	await t.throwsAsync(renew(ca, next, web.keyPair), { message: /csr-key-/ });
	const join = await ca.request('POST', '/v1/join', { headers: { authorization: `Bearer ${await ca.joinToken({ role: 'node', name: 'host9' })}` }, body: { csr: web.keyPair.csr() } });
	t.is(join.json()['code'], 'csr-key-compromised');
});

test('whoever learns later that a key is known can still say so of a certificate that is dead already', async (t) => {
	const ca = await startCa(t);
	const host = await ca.join('host1');
	const web = await ca.enrol(host, 'web01', 'web');
	t.is((await revoke(ca, { serial: serialOf(web), reason: 'superseded' })).revoked, 1);
	const before = (await ca.request('GET', '/v1/crl')).headers.etag;
	t.is((await revoke(ca, { serial: serialOf(web), reason: 'keyCompromise' })).revoked, 0);
	t.not((await ca.request('GET', '/v1/crl')).headers.etag, before);
	const [identity] = (await ca.admin('GET', '/v1/identities/web01')).json<IdentityList>().identities;
	t.is(identity!.revocationReason, 'keyCompromise');
	const { id } = await ca.authorize(host, { commonName: 'web01' });
	t.is((await ca.sign(await ca.mint(host, id), web.keyPair)).json()['code'], 'csr-key-compromised');
});

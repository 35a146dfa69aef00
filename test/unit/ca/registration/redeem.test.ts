/** One token, one certificate. */

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { encodeCsr } from '#common/x509/csr-encode.ts';
import { answeredByCa } from '../../../support/ask-again.ts';
import { movableClock, newContainerId, newKey, startCa, temporaryFolder } from '../../../support/ca.ts';

test('of two hundred who redeem one token at once with keys of their own, exactly one gets a certificate', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' });
	const token = await ca.mint(node, id);
	const keys = Array.from({ length: 200 }, newKey);
	const answers = await Promise.all(keys.map((key) => answeredByCa(() => ca.sign(token, key))));
	t.is(answers.filter(({ status }) => status === 200).length, 1);
	t.is(answers.filter(({ status, text }) => status === 409 && text.includes('token-used')).length, 199);
	const { identities } = (await ca.admin('GET', '/v1/identities/web01')).json<{ identities: unknown[] }>();
	t.is(identities.length, 1);
});

test('the same key at once, many times over, gets the same certificate every time', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' });
	const token = await ca.mint(node, id);
	const key = newKey();
	const answers = await Promise.all(Array.from({ length: 50 }, () => answeredByCa(() => ca.sign(token, key))));
	t.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
	t.is(new Set(answers.map(({ text }) => text)).size, 1);
});

test('the same token and key get the same certificate within the window and none after it', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock, config: { redemptionWindowSeconds: 60, tokenTtlSeconds: 30 } });
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	clock.advance(60);
	const again = await ca.sign(web.token, web.keyPair);
	t.is(again.text, web.cert);
	clock.advance(1);
	const late = await ca.sign(web.token, web.keyPair);
	t.is(late.status, 409);
	t.is(late.json()['code'], 'token-used');
});

test('a token is past its time exactly when the time it was given is over', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock, config: { tokenTtlSeconds: 30 } });
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' });
	const token = await ca.mint(node, id);
	clock.advance(30);
	const answer = await ca.sign(token, newKey());
	t.is(answer.status, 410);
	t.is(answer.json()['code'], 'token-expired');
});

test('a newer token takes the place of one that was not redeemed', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' });
	const first = await ca.mint(node, id);
	const second = await ca.mint(node, id);
	t.is((await ca.sign(first, newKey())).json()['code'], 'token-expired');
	t.is((await ca.sign(second, newKey())).status, 200);
});

test('a bad request does not burn the token', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' });
	const token = await ca.mint(node, id);
	const send = (body: string) => ca.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body });
	t.is((await send('garbage')).json()['code'], 'csr-malformed');
	t.is((await send(newKey().csr('db01'))).json()['code'], 'token-wrong-name');
	t.is((await send(newKey().csr('web01'))).status, 200);
});

test('each fault of a CSR has its own code on the wire, and none burns the token', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' });
	const token = await ca.mint(node, id);
	const folder = temporaryFolder(t);
	const csr = (...options: string[]): string => {
		execFileSync('openssl', ['genpkey', ...options, '-out', 'key'], { cwd: folder, stdio: 'ignore' });
		return execFileSync('openssl', ['req', '-new', '-key', 'key', '-subj', '/'], { cwd: folder, encoding: 'utf8' });
	};
	const stolen = encodeCsr({ privateKey: newKey().privateKey, publicKey: createPublicKey(newKey().privateKey) });
	const faults = {
		'csr-key-weak': csr('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'),
		'csr-key-unsupported': csr('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'),
		'csr-signature-invalid': stolen,
		'csr-malformed': newKey().csr() + newKey().csr(),
	};
	for (const [code, body] of Object.entries(faults)) {
		const answer = await ca.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body });
		t.like({ status: answer.status, ...answer.json() }, { status: 400, code });
	}
	t.is((await ca.sign(token, newKey())).status, 200);
});

test('a token in the path is as good as one in the header', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' });
	const answer = await ca.request('PUT', `/v1/sign/${await ca.mint(node, id)}`, { body: newKey().csr() });
	t.is(answer.status, 200);
	t.is(answer.headers['content-type'], 'application/pem-certificate-chain');
	t.is(answer.headers['cache-control'], 'no-store');
});

test('nothing comes of a token whose container is gone', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' });
	const token = await ca.mint(node, id);
	t.is((await ca.request('DELETE', `/v1/authorizations/${id}`, { credentials: node })).status, 204);
	t.is((await ca.sign(token, newKey())).json()['code'], 'authorization-ended');
	const minted = await ca.request('POST', `/v1/authorizations/${id}/tokens`, { credentials: node, body: { startId: 'next' } });
	t.is(minted.json()['code'], 'authorization-ended');
});

test('a container asks for its own lifetime, and a certificate never outlives it', async (t) => {
	const ca = await startCa(t, { config: { backdateSeconds: 5 } });
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01', dnsNames: ['web.internal', 'web01'] }, { lifetimeSeconds: 120, containerId: newContainerId() });
	const { text } = await ca.sign(await ca.mint(node, id), newKey());
	const leaf = new X509Certificate(text);
	t.is(leaf.validToDate.getTime() - leaf.validFromDate.getTime(), 125_000);
	t.is(leaf.subjectAltName, 'DNS:web01, DNS:web.internal, URI:spiffe://birthmark.internal/production/web/web01');
});

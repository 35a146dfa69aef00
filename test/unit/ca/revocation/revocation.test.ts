/** Revocation: who is reached, what is published, and that it is out before the answer is. */

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditPage, IdentityList, NodeInfo, RevokeAnswer } from '#common/protocol/messages.ts';
import { movableClock, newKey, startCa, temporaryFolder, type Credentials, type TestCa } from '../../../support/ca.ts';

function serialOf(credentials: Credentials): string {
	return new X509Certificate(credentials.cert).serialNumber;
}

async function listText(ca: TestCa): Promise<string> {
	const { body } = await ca.request('GET', '/v1/crl');
	return execFileSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], { input: body, encoding: 'utf8' });
}

async function codeOf(ca: TestCa, credentials: Credentials): Promise<unknown> {
	return (await ca.request('GET', '/v1/whoami', { credentials })).json()['code'];
}

test('a revoked certificate is in the list when the answer arrives, and openssl refuses it', async (t) => {
	const ca = await startCa(t);
	const web = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	const answer = (await ca.admin('POST', '/v1/revoke', { serial: serialOf(web).toLowerCase(), reason: 'keyCompromise' })).json<RevokeAnswer>();
	t.is(answer.revoked, 1);
	t.regex(await listText(ca), new RegExp(`${serialOf(web)}[\\s\\S]*Key Compromise`));
	t.is(await codeOf(ca, web), 'certificate-revoked');

	const folder = temporaryFolder(t);
	writeFileSync(join(folder, 'bundle.pem'), ca.bundle);
	writeFileSync(join(folder, 'crl.pem'), (await ca.request('GET', '/v1/crl.pem')).body);
	writeFileSync(join(folder, 'chain.pem'), web.cert);
	const verify = () => execFileSync('openssl', ['verify', '-crl_check_all', '-CAfile', 'bundle.pem', '-CRLfile', 'crl.pem', '-untrusted', 'chain.pem', 'chain.pem'], { cwd: folder, stdio: 'pipe' });
	t.throws(verify, { message: /certificate revoked/ });
});

test('revoking again changes nothing and is no error', async (t) => {
	const ca = await startCa(t);
	const web = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	const revoke = async () => (await ca.admin('POST', '/v1/revoke', { commonName: 'web01' })).json<RevokeAnswer>();
	const first = await revoke();
	t.like(first, { revoked: 1 });
	t.deepEqual(await revoke(), { revoked: 0, crlNumber: first.crlNumber });
	t.is(await codeOf(ca, web), 'certificate-revoked');
});

test('a late revocation of one start does not hurt the next start of the same container', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id: authorizationId } = await ca.authorize(node, { commonName: 'web01' });
	const start = async (startId: string) => {
		const key = newKey();
		return { key: key.pem, cert: (await ca.sign(await ca.mint(node, authorizationId, startId), key)).text };
	};
	const first = await start('one');
	const second = await start('two');
	const answer = await ca.request('POST', '/v1/revoke', { credentials: node, body: { authorizationId, startId: 'one', reason: 'cessationOfOperation' } });
	t.like(answer.json(), { revoked: 1 });
	t.is(await codeOf(ca, first), 'certificate-revoked');
	t.is(await codeOf(ca, second), undefined);
});

test('the end of a start that is said twice, because the answer was lost, is one event', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { authorizationId, startId } = await ca.enrol(node, 'web01', 'web');
	const say = async () => (await ca.request('POST', '/v1/revoke', { credentials: node, body: { authorizationId, startId } })).json();
	t.like(await say(), { revoked: 1 });
	t.like(await say(), { revoked: 0 });
	const { records } = (await ca.admin('GET', '/v1/audit')).json<AuditPage>();
	t.is(records.filter(({ action, subject }) => action === 'certificate.revoke' && subject === authorizationId).length, 1);
});

test('a start that was closed before its token was redeemed stays without a certificate', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id: authorizationId } = await ca.authorize(node, { commonName: 'web01' });
	const token = await ca.mint(node, authorizationId, 'one');
	t.like((await ca.request('POST', '/v1/revoke', { credentials: node, body: { authorizationId, startId: 'one' } })).json(), { revoked: 0 });
	t.is((await ca.sign(token, newKey())).json()['code'], 'authorization-ended');
	const minted = await ca.request('POST', `/v1/authorizations/${authorizationId}/tokens`, { credentials: node, body: { startId: 'one' } });
	t.is(minted.json()['code'], 'authorization-ended');
	t.is((await ca.sign(await ca.mint(node, authorizationId, 'two'), newKey())).status, 200);
});

test('a token and its certificate cannot both survive: the answer to a repeated request is refused once it was revoked', async (t) => {
	const ca = await startCa(t);
	const web = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	await ca.admin('POST', '/v1/revoke', { serial: serialOf(web).toLowerCase() });
	t.is((await ca.sign(web.token, web.keyPair)).json()['code'], 'certificate-revoked');
});

test('cutting a node off ends everything that it ever authorized', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const other = await ca.join('host2');
	const [web1, web2] = [await ca.enrol(node, 'web01', 'web'), await ca.enrol(node, 'web02', 'web')];
	const spared = await ca.enrol(other, 'web03', 'web');
	const { id } = await ca.authorize(node, { commonName: 'web04' });
	const token = await ca.mint(node, id);
	t.like((await ca.admin('DELETE', '/v1/nodes/host1')).json(), { revoked: 3 });
	for (const credentials of [node, web1, web2]) t.is(await codeOf(ca, credentials), 'certificate-revoked');
	for (const credentials of [other, spared]) t.is(await codeOf(ca, credentials), undefined);
	t.is((await ca.sign(token, newKey())).json()['code'], 'authorization-ended');
	const { nodes } = (await ca.admin('GET', '/v1/nodes')).json<{ nodes: NodeInfo[] }>();
	t.like(nodes, [{ name: 'host1', status: 'cut-off', liveIdentities: 0 }, { name: 'host2', status: 'active', liveIdentities: 1 }]);
	t.is((await ca.admin('DELETE', '/v1/nodes/host9')).json()['code'], 'node-unknown');
	t.is((await ca.request('GET', '/v1/whoami', { credentials: await ca.join('host1') })).status, 200);
});

test('what to revoke is said by exactly one selector', async (t) => {
	const ca = await startCa(t);
	const code = async (body: object) => (await ca.admin('POST', '/v1/revoke', body)).json()['code'];
	t.is(await code({}), 'request-malformed');
	t.is(await code({ commonName: 'a', node: 'b' }), 'request-malformed');
	t.is(await code({ commonName: 'a', startId: 'b' }), 'request-malformed');
	t.is(await code({ serial: '4'.repeat(32) }), 'certificate-unknown');
	t.is(await code({ authorizationId: 'none' }), 'authorization-unknown');
	t.is(await code({ commonName: 'a', reason: 'bored' }), 'request-malformed');
});

test('many revocations at once share lists, and every answer names a list that covers it', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const enrolled = await Promise.all(Array.from({ length: 30 }, (_, index) => ca.enrol(node, `web${index}`, 'web')));
	const answers = await Promise.all(enrolled.map(async (one) => (await ca.admin('POST', '/v1/revoke', { serial: serialOf(one).toLowerCase() })).json<RevokeAnswer>()));
	t.true(answers.every(({ revoked }) => revoked === 1));
	const text = await listText(ca);
	for (const one of enrolled) t.true(text.includes(serialOf(one)));
	t.true(new Set(answers.map(({ crlNumber }) => crlNumber)).size <= 30);
});

test('whoever knows the newest list is told so by its entity tag', async (t) => {
	const ca = await startCa(t);
	for (const path of ['/v1/crl', '/v1/crl.pem']) {
		const first = await ca.request('GET', path);
		const tag = first.headers.etag!;
		t.regex(tag, /^"\d+"$/);
		const second = await ca.request('GET', path, { headers: { 'if-none-match': `W/"x", ${tag}` } });
		t.is(second.status, 304);
		t.is(second.body.length, 0);
	}
	const tag = (await ca.request('GET', '/v1/crl')).headers.etag!;
	await ca.join('host1');
	await ca.admin('DELETE', '/v1/nodes/host1');
	t.is((await ca.request('GET', '/v1/crl', { headers: { 'if-none-match': tag } })).status, 200);
});

test('a list is made anew before it runs out, its number only grows, and the expired leave it', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock, config: { crl: { refreshSeconds: 10, lifetimeSeconds: 40 } } });
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'web01' }, { lifetimeSeconds: 10 });
	await ca.sign(await ca.mint(node, id), newKey());
	await ca.admin('POST', '/v1/revoke', { commonName: 'web01' });
	t.regex(await listText(ca), /Serial Number:/);
	const before = Number((await ca.request('GET', '/v1/crl')).headers.etag!.slice(1, -1));
	clock.advance(9);
	await ca.lookAfter();
	t.is(Number((await ca.request('GET', '/v1/crl')).headers.etag!.slice(1, -1)), before);
	clock.advance(1);
	await ca.lookAfter();
	t.is(Number((await ca.request('GET', '/v1/crl')).headers.etag!.slice(1, -1)), before + 1);
	// RFC 5280 §3.3: an entry stays until it was on a list made after the certificate's end.
	t.regex(await listText(ca), /Serial Number:/);
	clock.advance(40);
	await ca.lookAfter();
	t.regex(await listText(ca), /No Revoked Certificates/);
	await ca.close();
	const again = await startCa(t, { clock, state: ca.state });
	t.true(Number((await again.request('GET', '/v1/crl')).headers.etag!.slice(1, -1)) > before + 1);
});

test('a list that is from the future, because the clock was set back, is made anew', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock });
	clock.advance(-30);
	await ca.lookAfter();
	const tag = (await ca.request('GET', '/v1/crl')).headers.etag!;
	clock.advance(-7200);
	await ca.lookAfter();
	t.is((await ca.request('GET', '/v1/crl', { headers: { 'if-none-match': tag } })).status, 200);
});

test('lists of identities show the live unless all are asked for, a node its own only, and never the CA itself', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const other = await ca.join('host2');
	const dead = await ca.enrol(node, 'web01', 'web');
	await ca.enrol(node, 'web02', 'web');
	await ca.enrol(other, 'web03', 'web');
	await ca.request('POST', '/v1/revoke', { credentials: node, body: { authorizationId: dead.authorizationId, reason: 'cessationOfOperation' } });
	const names = (list: IdentityList) => list.identities.map(({ commonName }) => commonName).sort();
	const live = (await ca.admin('GET', '/v1/identities')).json<IdentityList>();
	t.deepEqual(names(live), ['host1', 'host2', 'web02', 'web03']);
	t.deepEqual(names((await ca.admin('GET', '/v1/identities?all=1')).json()), ['host1', 'host2', 'web01', 'web02', 'web03']);
	t.deepEqual(names((await ca.request('GET', '/v1/identities?all=1', { credentials: node })).json()), ['host1', 'web01', 'web02']);
	const [shown] = (await ca.admin('GET', `/v1/identities/${serialOf(dead).toLowerCase()}`)).json<IdentityList>().identities;
	t.like(shown, { status: 'revoked', revocationReason: 'cessationOfOperation', node: 'host1', image: 'test:1', authorizationId: dead.authorizationId, renewals: 0 });
	t.is((await ca.admin('GET', '/v1/identities/birthmark-ca')).json()['code'], 'certificate-unknown');
});

test('what is revoked while the clock is ahead is revoked when the clock is right again, also when it seemed to be over', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock });
	const host = await ca.join('host1');
	const web = await ca.enrol(host, 'web01', 'web');
	const other = await ca.enrol(host, 'web02', 'web');
	clock.advance(3 * 86_400);
	await ca.lookAfter();
	t.like((await ca.admin('POST', '/v1/revoke', { commonName: 'web01' })).json(), { revoked: 0 }, 'as it seems');
	t.is((await ca.admin('DELETE', `/v1/authorizations/${other.authorizationId}`)).status, 204);
	const list = async () => execFileSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], { input: (await ca.admin('GET', '/v1/crl')).body, encoding: 'utf8' });
	t.notRegex(await list(), /Serial Number:/, 'what has ended is on no list');
	clock.advance(-3 * 86_400);
	await ca.lookAfter();
	for (const one of [web, other]) {
		t.is(await codeOf(ca, one), 'certificate-revoked');
		t.true((await list()).includes(serialOf(one)));
	}
});

/** Other keys for the CA, without a handshake that fails: real TLS between peers of every age, in every stage. */

import test, { type ExecutionContext } from 'ava';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { Identity, RotationStatus } from '#common/protocol/messages.ts';
import { decodePem } from '#common/x509/pem.ts';
import { backupCa, restoreCa } from '../../../../ca/backup.ts';
import { loadConfig } from '../../../../ca/serve.ts';
import { crlNumber } from '../../../soak/load.ts';
import { clientOf, databaseForTests, movableClock, newKey, sha256, startCa, temporaryFolder, type Answer, type Credentials, type Enrolled, type TestCa } from '../../../support/ca.ts';
import { addUser } from '../../../support/user.ts';

const config = { rotation: { settleSeconds: 0 } };
const ROOTS = '/v1/roots';

async function take(ca: Pick<TestCa, 'admin'>, step: string, body: object = {}): Promise<RotationStatus> {
	const answer = await ca.admin('POST', `/v1/rotation${step}`, body);
	if (answer.status !== 200) throw new Error(answer.text);
	return answer.json<RotationStatus>();
}

const status = async (ca: Pick<TestCa, 'admin'>): Promise<RotationStatus> => (await ca.admin('GET', '/v1/rotation')).json<RotationStatus>();
const bundleOf = async (ca: Pick<TestCa, 'admin'>): Promise<Buffer> => (await ca.admin('GET', ROOTS)).body;

/** A client of the same CA that trusts another bundle. */
const trusting = (ca: TestCa, bundle: Buffer) => clientOf({ ...ca, bundle });

async function renew(ca: Pick<TestCa, 'request'>, credentials: Credentials, headers: Record<string, string> = {}): Promise<Credentials> {
	const key = newKey();
	const answer = await ca.request('POST', '/v1/renew', { credentials, body: key.csr(), headers });
	if (answer.status !== 200) throw new Error(answer.text);
	return { key: key.pem, cert: answer.text };
}

const acknowledge = (ca: Pick<TestCa, 'request'>, credentials: Credentials, bundle: Buffer): Promise<Answer> => {
	return ca.request('POST', '/v1/bundle/acknowledge', { credentials, body: { digest: sha256(bundle) } });
};

/** The old one has expired, as far as the CA knows. */
async function end(ca: Pick<TestCa, 'admin'>, { cert }: Credentials): Promise<void> {
	await ca.admin('POST', '/v1/revoke', { serial: new X509Certificate(cert).serialNumber, reason: 'superseded' });
}

/** Of the list that goes for the root of the active authority: the last of all lists. */
const rootListNumber = async (ca: Pick<TestCa, 'admin'>): Promise<number> => crlNumber(decodePem('X509 CRL', (await ca.admin('GET', '/v1/crl.pem')).text)!.at(-1)!);

const chainLength = ({ cert }: Credentials): number => decodePem('CERTIFICATE', cert)!.length;

/** Mutual TLS; resolves when both have accepted the other. */
async function handshake(server: Credentials, serverTrusts: Buffer, client: Credentials, clientTrusts: Buffer): Promise<void> {
	const listener = createServer({ ...server, ca: serverTrusts, requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.3' });
	const accepted = once(listener, 'secureConnection') as Promise<[TLSSocket]>;
	const refused = once(listener, 'tlsClientError').then(([error]) => Promise.reject(error as Error));
	refused.catch(() => undefined);
	listener.listen(0, '127.0.0.1');
	await once(listener, 'listening');
	const socket = connect({ port: (listener.address() as AddressInfo).port, host: '127.0.0.1', ...client, ca: clientTrusts, checkServerIdentity: () => undefined });
	try {
		await once(socket, 'secureConnect');
		await Promise.race([accepted, refused]);
	} finally {
		socket.destroy();
		listener.close();
	}
}

/** Everybody with everybody, in both directions. */
async function allMeet(t: ExecutionContext, leaves: Readonly<Record<string, Credentials>>, bundles: Readonly<Record<string, Buffer>>): Promise<void> {
	for (const [serverLeaf, server] of Object.entries(leaves)) for (const [serverBundle, serverTrusts] of Object.entries(bundles)) {
		for (const [clientLeaf, client] of Object.entries(leaves)) for (const [clientBundle, clientTrusts] of Object.entries(bundles)) {
			const meeting = `server with ${serverLeaf} leaf and ${serverBundle} bundle, client with ${clientLeaf} leaf and ${clientBundle} bundle`;
			await t.notThrowsAsync(handshake(server, serverTrusts, client, clientTrusts), meeting);
		}
	}
}

/** The CA is reached with any of these bundles, and takes any of these certificates. */
async function caTakes(t: ExecutionContext, ca: TestCa, leaves: Readonly<Record<string, Credentials>>, bundles: Readonly<Record<string, Buffer>>): Promise<void> {
	for (const [bundleName, bundle] of Object.entries(bundles)) for (const [leafName, credentials] of Object.entries(leaves)) {
		const { status: answered, text } = await trusting(ca, bundle).request('GET', '/v1/whoami', { credentials });
		t.is(answered, 200, `${leafName} leaf, ${bundleName} bundle: ${text}`);
	}
}

test('a rotation of the root, with peers of every age in every stage', async (t) => {
	const ca = await startCa(t, { config });
	const old = ca.bundle;
	const node = await ca.join('host1');
	const first = await ca.enrol(node, 'web01', 'web');

	t.is((await take(ca, '', { changes: 'root', isManual: true })).stage, 'prepared');
	const both = await bundleOf(ca);
	t.is(decodePem('CERTIFICATE', both.toString())!.length, 2);
	const early = await trusting(ca, both).enrol(node, 'web02', 'web');
	await allMeet(t, { old: first, early }, { old, both });
	await caTakes(t, ca, { old: first, early, node }, { old, both });

	t.is((await take(ca, '/activate', { force: true })).stage, 'retiring');
	t.deepEqual(await bundleOf(ca), both);
	const second = await renew(trusting(ca, old), first);
	t.is(chainLength(first), 2);
	t.is(chainLength(second), 3, 'with the cross-certificate');
	const newNode = await renew(trusting(ca, old), node);
	await allMeet(t, { old: first, crossed: second }, { old, both });
	await caTakes(t, ca, { old: first, crossed: second, node, newNode }, { old, both });

	const held = await ca.admin('POST', '/v1/rotation/finish', {});
	t.is(held.json()['code'], 'rotation-waits');
	t.regex(held.text, /web01/);
	for (const credentials of [first, early]) await end(ca, credentials);
	await acknowledge(trusting(ca, both), newNode, both);
	await acknowledge(trusting(ca, both), second, both);
	t.is((await take(ca, '/finish')).stage, 'idle');
	const fresh = await bundleOf(ca);
	t.is(decodePem('CERTIFICATE', fresh.toString())!.length, 1);
	const third = await renew(trusting(ca, both), second);
	t.is(chainLength(third), 2);
	await allMeet(t, { crossed: second, fresh: third }, { both, fresh });
	await caTakes(t, ca, { crossed: second, fresh: third, newNode }, { both, fresh });
	await t.throwsAsync(trusting(ca, old).request('GET', ROOTS), undefined, 'who knows only the old root is out');
	await t.throwsAsync(handshake(first, fresh, third, fresh), undefined, 'the old root is out');
});

test('the next step waits until every live identity has acknowledged, whichever way', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	const operator = await ca.join('alice', [], 'operator');
	const web = await ca.enrol(node, 'web01', 'web');
	const gone = await ca.enrol(node, 'web02', 'web');
	const pending = await ca.mint(node, (await ca.authorize(node, { commonName: 'web03' })).id);
	await take(ca, '', { changes: 'root' });
	const both = await bundleOf(ca);
	const now = trusting(ca, both);
	const laggards = async () => (await status(ca)).withoutBundle!.first.map(({ commonName }) => commonName);
	t.deepEqual(await laggards(), ['host1', 'alice', 'web01', 'web02']);
	await ca.lookAfter();
	t.is((await status(ca)).stage, 'prepared');

	t.deepEqual((await acknowledge(now, node, both)).json(), { digest: sha256(both), renew: false });
	await acknowledge(now, node, Buffer.from('no bundle of this CA'));
	await renew(now, web, { 'birthmark-bundle': sha256(both) });
	await acknowledge(now, operator, ca.bundle);
	await now.enrol(node, 'web04', 'web');
	t.is((await ca.sign(pending, newKey())).status, 200);
	t.deepEqual(await laggards(), ['alice', 'web02', 'web03']);
	t.regex((await ca.admin('POST', '/v1/rotation/activate', {})).text, /3 identities.*operator alice, workload web02, workload web03/);

	await acknowledge(now, operator, both);
	await ca.admin('DELETE', `/v1/authorizations/${gone.authorizationId}`);
	const { identities } = (await ca.admin('GET', '/v1/identities/web03')).json<{ identities: Identity[] }>();
	await ca.admin('DELETE', `/v1/authorizations/${identities[0]!.authorizationId}`);
	t.deepEqual(await laggards(), []);
	await ca.lookAfter();
	t.is((await status(ca)).stage, 'retiring');
	t.deepEqual((await acknowledge(now, node, both)).json(), { digest: sha256(both), renew: true });
});

test('a manual rotation takes no step by itself', async (t) => {
	const ca = await startCa(t, { config });
	await take(ca, '', { changes: 'root', isManual: true });
	await ca.lookAfter();
	t.like(await status(ca), { stage: 'prepared', isManual: true });
	await take(ca, '/activate');
	await ca.lookAfter();
	t.like(await status(ca), { stage: 'retiring', isManual: true });
	t.is((await take(ca, '/finish')).stage, 'idle');
});

test('a step leaves others the time to follow', async (t) => {
	const ca = await startCa(t, { config: { rotation: { settleSeconds: 3600 } } });
	await take(ca, '', { changes: 'intermediate' });
	await ca.lookAfter();
	const { stage, settledAt } = await status(ca);
	t.is(stage, 'prepared');
	t.true(Date.parse(settledAt!) > Date.now() + 3000_000);
	t.is((await ca.admin('POST', '/v1/rotation/activate', {})).json()['code'], 'rotation-waits');
});

test('what was prepared can be called off, and everything is as it was', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	await take(ca, '', { changes: 'root', isManual: true });
	const both = await bundleOf(ca);
	const token = await ca.mint(node, (await ca.authorize(node, { commonName: 'web01' })).id);
	t.like(await take(ca, '/abort'), { stage: 'idle', digest: sha256(ca.bundle) });
	t.deepEqual(await bundleOf(ca), ca.bundle);
	const web = await ca.enrol(node, 'web02', 'web');
	await caTakes(t, ca, { node, web }, { old: ca.bundle, both });
	t.is((await ca.sign(token, newKey())).status, 200, 'a token of that time');
	t.deepEqual((await ca.request('GET', `${ROOTS}?digest=${sha256(both)}`)).body, both);
	t.is((await take(ca, '', { changes: 'root', isManual: true })).generations.at(-1)!.generation, 3);
});

test('what was activated can be taken back, and what was issued meanwhile goes on until it is renewed', async (t) => {
	const ca = await startCa(t, { config });
	const old = ca.bundle;
	const node = await ca.join('host1');
	const first = await ca.enrol(node, 'web01', 'web');
	await take(ca, '', { changes: 'root', isManual: true });
	const both = await bundleOf(ca);
	await take(ca, '/activate', { force: true });
	const second = await renew(ca, first);
	t.is((await take(ca, '/abort')).stage, 'retiring');
	t.deepEqual(await bundleOf(ca), both);
	const third = await renew(ca, second);
	t.is(chainLength(third), 2);
	await allMeet(t, { old: first, crossed: second, again: third }, { old, both });
	await caTakes(t, ca, { node, crossed: second, again: third }, { old, both });
	t.is((await ca.admin('POST', '/v1/rotation/finish', {})).json()['code'], 'rotation-waits');
	await end(ca, second);
	t.is((await take(ca, '/finish')).stage, 'idle');
	t.deepEqual(await bundleOf(ca), old);
	await caTakes(t, ca, { node, again: third }, { old, both });
});

test('the numbers of a root\'s own lists only grow, also when a step is taken back and when the CA is restored from a backup', async (t) => {
	const ca = await startCa(t, { config });
	const out = join(temporaryFolder(t), 'ca.gz');
	await backupCa({ state: ca.state, out, config: await loadConfig(ca.state, {}) });
	const numbers = [await rootListNumber(ca)];
	for (const [step, body] of [['', { changes: 'intermediate', isManual: true }], ['/abort', {}], ['', { changes: 'intermediate', isManual: true }], ['/activate', { force: true }], ['/abort', {}]] as const) {
		await take(ca, step, body);
		numbers.push(await rootListNumber(ca));
	}
	const state = join(temporaryFolder(t), 'state');
	mkdirSync(state, { mode: 0o700 });
	copyFileSync(join(ca.state, 'key-encryption.key'), join(state, 'key-encryption.key'));
	// Not into the database that it came from.
	writeFileSync(join(state, 'config.json'), JSON.stringify({ listen: { host: '127.0.0.1', port: 0 }, ...config, ...(await databaseForTests()) }));
	await ca.close();
	await restoreCa({ state, from: out, env: {} });
	const restored = await startCa(t, { state });
	await take(restored, '', { changes: 'intermediate', isManual: true });
	const last = await rootListNumber(restored);
	t.deepEqual(numbers, numbers.toSorted((one, other) => one - other));
	t.true(last > numbers.at(-1)!, `${last} after ${numbers.join(', ')}`);
});

test('steps that are not next are refused', async (t) => {
	const ca = await startCa(t, { config });
	const codes = async (...steps: string[]) => Promise.all(steps.map(async (step) => (await ca.admin('POST', `/v1/rotation${step}`, step === '' ? { changes: 'root', isManual: true } : {})).json()['code']));
	t.deepEqual(await codes('/activate', '/abort', '/finish'), ['rotation-stage', 'rotation-stage', 'rotation-stage']);
	await take(ca, '', { changes: 'root', isManual: true });
	t.deepEqual(await codes('', '/finish'), ['rotation-stage', 'rotation-stage']);
	await take(ca, '/activate');
	t.deepEqual(await codes('', '/activate'), ['rotation-stage', 'rotation-stage']);
});

test('of many who take a step at once, one does', async (t) => {
	const ca = await startCa(t, { config });
	const answers = await Promise.all(Array.from({ length: 5 }, () => ca.admin('POST', '/v1/rotation', { changes: 'root', isManual: true })));
	t.deepEqual(answers.map((answer) => answer.status).sort(), [200, 409, 409, 409, 409]);
	t.is((await status(ca)).generations.length, 2);
});

test('a new intermediate needs no other bundle, and its lists are there before its certificates', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	const first = await ca.enrol(node, 'web01', 'web');
	t.like(await take(ca, '', { changes: 'intermediate' }), { stage: 'prepared', changes: 'intermediate', digest: sha256(ca.bundle) });
	const lists = (await ca.request('GET', '/v1/crl.pem')).text;
	t.is(decodePem('X509 CRL', lists)!.length, 3, 'of both intermediates and of the root');
	await ca.lookAfter();
	t.is((await status(ca)).stage, 'retiring');
	const second = await renew(ca, first);
	t.is(chainLength(second), 2);
	await allMeet(t, { old: first, fresh: second }, { only: ca.bundle });
	await caTakes(t, ca, { node, old: first, fresh: second }, { only: ca.bundle });
	await end(ca, first);
	await ca.lookAfter();
	t.is((await status(ca)).stage, 'retiring', 'the node');
	await renew(ca, node);
	await ca.lookAfter();
	t.like(await status(ca), { stage: 'idle', digest: sha256(ca.bundle) });
});

test('a compromised root is dropped at once, with everything that was under it', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	const web: Enrolled = await ca.enrol(node, 'web01', 'web');
	const startToken = await ca.mint(node, web.authorizationId);
	const joinToken = await ca.joinToken({ role: 'node', name: 'host2' });
	await take(ca, '', { changes: 'root', isCompromised: true });
	const fresh = await bundleOf(ca);
	t.is(decodePem('CERTIFICATE', fresh.toString())!.length, 1);
	t.not(sha256(fresh), sha256(ca.bundle));
	await t.throwsAsync(ca.request('GET', ROOTS), undefined, 'the old root leads nowhere');
	const now = trusting(ca, fresh);
	for (const credentials of [node, web]) t.is((await now.request('GET', '/v1/whoami', { credentials })).json()['code'], 'unauthenticated');
	t.is((await now.sign(startToken, newKey())).json()['code'], 'token-unknown');
	t.is((await now.request('POST', '/v1/join', { headers: { authorization: `Bearer ${joinToken}` }, body: { csr: newKey().csr() } })).json()['code'], 'token-unknown');
	t.is((await now.request('GET', `${ROOTS}?digest=${sha256(ca.bundle)}`)).status, 404);
	const { identities } = (await ca.admin('GET', '/v1/identities?all=1')).json<{ identities: Identity[] }>();
	t.deepEqual(identities.map(({ status: is, revocationReason }) => [is, revocationReason]), [['revoked', 'cACompromise'], ['revoked', 'cACompromise']]);
	const again = await now.join('host1');
	const back = await now.enrol(again, 'web01', 'web');
	await caTakes(t, ca, { again, back }, { fresh });
	t.is(chainLength(back), 2, 'nothing leads from the old root to the new');
});

test('a compromised intermediate is on the list of the root, and nothing under it is taken any more', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	await take(ca, '', { changes: 'intermediate', isCompromised: true });
	t.deepEqual(await bundleOf(ca), ca.bundle);
	t.is((await ca.request('GET', '/v1/whoami', { credentials: node })).json()['code'], 'certificate-revoked');
	const lists = decodePem('X509 CRL', (await ca.request('GET', '/v1/crl.pem')).text)!;
	const serial = Buffer.from(new X509Certificate(decodePem('CERTIFICATE', node.cert)![1]!).serialNumber, 'hex');
	t.true(lists.some((list) => list.includes(serial)));
	const again = await ca.join('host1');
	t.is((await ca.request('GET', '/v1/whoami', { credentials: again })).status, 200);
});

test('a compromised key takes along what earlier keys have issued, and they are on the list of the root too', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	const web = await ca.enrol(node, 'web01', 'web');
	await take(ca, '', { changes: 'intermediate', isManual: true });
	await take(ca, '/activate', { force: true });
	await take(ca, '/finish', { force: true });
	t.is((await ca.request('GET', '/v1/whoami', { credentials: web })).status, 200, 'left behind, and valid');
	await take(ca, '', { changes: 'intermediate', isCompromised: true });
	for (const credentials of [node, web]) t.is((await ca.request('GET', '/v1/whoami', { credentials })).json()['code'], 'certificate-revoked');
	const lists = decodePem('X509 CRL', (await ca.request('GET', '/v1/crl.pem')).text)!;
	const first = Buffer.from(new X509Certificate(decodePem('CERTIFICATE', node.cert)![1]!).serialNumber, 'hex');
	t.true(lists.some((list) => list.includes(first)));
});

test('a compromised key voids the tokens that users have signed, too', async (t) => {
	const ca = await startCa(t, { config });
	const alice = await addUser(ca, 'alice', ['*/*'], 'ES256');
	const enrol = async (token: string) => ca.request('POST', '/v1/csr', { headers: { 'x-auth-token': token }, body: newKey().csr() });
	const before = await alice.token({ sub: 'web01' });
	await take(ca, '', { changes: 'intermediate', isCompromised: true });
	t.is((await enrol(before)).json()['code'], 'token-expired');
	const iat = Math.floor(Date.now() / 1000) + 2;
	t.is((await enrol(await alice.token({ sub: 'web02', iat, nbf: iat, exp: iat + 60 }))).status, 200);
});

test('a cross-certificate is not served any more when the root that signed it is out of use', async (t) => {
	const ca = await startCa(t, { config });
	for (const step of ['', '/activate', '/finish']) await take(ca, step, step === '' ? { changes: 'root', isManual: true } : { force: true });
	await take(ca, '', { changes: 'root', isManual: true });
	const now = trusting(ca, await bundleOf(ca));
	t.is(chainLength(await now.join('host1')), 2);
	await take(ca, '/activate', { force: true });
	t.is(chainLength(await now.join('host2')), 3);
});

test('a clock that was set takes no step: by it everything old may seem to have ended', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { config, clock });
	await ca.join('host1');
	await take(ca, '', { changes: 'root' });
	await take(ca, '/activate', { force: true });
	await ca.lookAfter();
	clock.advance(60 * 24 * 3600);
	await ca.lookAfter();
	t.like(await status(ca), { stage: 'retiring', underOld: { count: 0 } });
	await ca.lookAfter();
	t.is((await status(ca)).stage, 'retiring');
});

test('openssl verifies every chain strictly under every bundle, with the lists of everybody', async (t) => {
	const ca = await startCa(t, { config });
	const folder = temporaryFolder(t);
	const file = (name: string, text: string | Buffer): string => {
		writeFileSync(join(folder, name), text);
		return join(folder, name);
	};
	const node = await ca.join('host1');
	const first = await ca.enrol(node, 'web01', 'web');
	await take(ca, '', { changes: 'root', isManual: true });
	const both = await bundleOf(ca);
	await take(ca, '/activate', { force: true });
	const second = await renew(ca, first);
	const lists = file('lists.pem', (await ca.request('GET', '/v1/crl.pem')).body);
	for (const [leafName, { cert }] of Object.entries({ old: first, crossed: second })) for (const [bundleName, bundle] of Object.entries({ old: ca.bundle, both })) {
		const chain = file(`${leafName}.pem`, cert);
		const trusted = file(`${bundleName}-bundle.pem`, bundle);
		const args = ['verify', '-x509_strict', '-crl_check_all', '-no-CApath', '-no-CAstore', '-CAfile', trusted, '-CRLfile', lists, '-untrusted', chain, chain];
		t.regex(execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' }), /: OK\n$/, `${leafName} leaf, ${bundleName} bundle`);
	}
});

test('a token of before is good during the rotation, and not after it', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	const mint = async (client: Pick<TestCa, 'mint' | 'authorize'>, commonName: string) => client.mint(node, (await client.authorize(node, { commonName })).id);
	const [one, two] = [await mint(ca, 'web01'), await mint(ca, 'web02')];
	await take(ca, '', { changes: 'root', isManual: true });
	t.deepEqual((await ca.request('GET', `${ROOTS}?digest=${sha256(ca.bundle)}`)).body, ca.bundle);
	t.is((await ca.sign(one, newKey())).status, 200);
	await take(ca, '/activate', { force: true });
	await take(ca, '/finish', { force: true });
	const now = trusting(ca, await bundleOf(ca));
	t.is((await now.sign(two, newKey())).json()['code'], 'token-unknown');
	t.is((await now.request('GET', `${ROOTS}?digest=${sha256(ca.bundle)}`)).status, 404);
});

test('after a restart the rotation is where it was', async (t) => {
	const ca = await startCa(t, { config });
	const node = await ca.join('host1');
	const before = await take(ca, '', { changes: 'root', isManual: true });
	await ca.close();
	const again = await startCa(t, { state: ca.state });
	t.deepEqual(await status(again), before);
	t.is(sha256(again.bundle), before.digest);
	await take(again, '/activate', { force: true });
	await again.close();
	const third = await startCa(t, { state: ca.state });
	t.is((await status(third)).stage, 'retiring');
	await caTakes(t, { ...third, bundle: ca.bundle }, { node, renewed: await renew(third, node) }, { old: ca.bundle, both: third.bundle });
});

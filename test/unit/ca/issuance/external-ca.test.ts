/** A CA whose workloads' certificates are signed by another CA: what is asked, what is taken, and what happens when it is away. */

import test, { type ExecutionContext } from 'ava';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer, request } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, createServer as createTlsServer } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME, type IdentityList } from '#common/protocol/messages.ts';
import { requireBundle } from '#common/x509/bundle.ts';
import { parseExternalAddress } from '../../../../ca/issuance/external-address.ts';
import { createPki } from '../../../fakes/ca.ts';
import { newKey, sha256, startCa, type Credentials, type TestCa } from '../../../support/ca.ts';
import { startLowerCa, startUpperCa } from '../../../support/external-ca.ts';
import { eventually } from '../../../support/world.ts';

test('a container of the lower CA gets a certificate of the upper one, under the lower one\'s names', async (t) => {
	const upper = await startUpperCa(t);
	const ca = await startLowerCa(t, `protocol=cfssl,url=${upper.signUrl},${upper.files}`);
	const api = await ca.enrol(await ca.join('host1'), 'api01', 'web-api');
	const leaf = new X509Certificate(api.cert);
	t.is(leaf.subject, 'O=production\nOU=web-api\nCN=api01');
	t.is(leaf.subjectAltName, 'DNS:api01, URI:spiffe://birthmark.internal/production/web-api/api01');
	t.true(upper.files.includes('chain=') && leaf.checkIssued(new X509Certificate(api.cert.split(/(?<=END CERTIFICATE-----\n)/)[1]!)));
	t.like((await upper.admin('GET', '/v1/identities/api01')).json<IdentityList>().identities[0], { serial: leaf.serialNumber.toLowerCase(), status: 'live' });
	t.like((await ca.admin('GET', `/v1/identities/${leaf.serialNumber}`)).json<IdentityList>().identities[0], { status: 'live', node: 'host1' });
	t.true(ca.bundle.toString().endsWith(upper.bundle.toString()), 'its root is in the bundle');
	t.is((await ca.request('GET', '/v1/hash')).text, sha256(ca.bundle));
});

test('two such containers take each other by the bundle alone, and renew', async (t) => {
	const upper = await startUpperCa(t);
	const ca = await startLowerCa(t, `protocol=cfssl,url=${upper.signUrl},${upper.files}`);
	const node = await ca.join('host1');
	const [api, web] = [await ca.enrol(node, 'api01', 'web-api'), await ca.enrol(node, 'web01', 'web')];
	const server = createTlsServer({ key: api.key, cert: api.cert, ca: ca.bundle, requestCert: true, rejectUnauthorized: true }, (socket) => socket.end('hello'));
	await once(server.listen(0, '127.0.0.1'), 'listening');
	t.teardown(() => server.close());
	const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, servername: 'api01', ca: ca.bundle, key: web.key, cert: web.cert });
	const [greeting] = await once(socket, 'data');
	t.is(String(greeting), 'hello');
	const key = newKey();
	const renewed = await ca.request('POST', '/v1/renew', { credentials: api, body: key.csr() });
	t.is(renewed.status, 200, renewed.text);
	t.like((await ca.admin('GET', '/v1/identities/api01')).json<IdentityList>().identities[0], { renewals: 1 });
});

test('revoked here it is refused here, and is on no list of this CA\'s', async (t) => {
	const upper = await startUpperCa(t);
	const ca = await startLowerCa(t, `protocol=cfssl,url=${upper.signUrl},${upper.files}`);
	const api = await ca.enrol(await ca.join('host1'), 'api01', 'web-api');
	const before = (await ca.request('GET', '/v1/crl')).body.length;
	t.like((await ca.admin('POST', '/v1/revoke', { serial: new X509Certificate(api.cert).serialNumber.toLowerCase() })).json(), { revoked: 1 });
	t.is((await ca.request('POST', '/v1/renew', { credentials: api, body: newKey().csr() })).json()['code'], 'certificate-revoked');
	t.true((await ca.request('GET', '/v1/crl')).body.length - before < 20, 'no entry was added');
});

test('nodes and operators, and the CA\'s own server, stay with this CA while the other is away', async (t) => {
	const upper = await startUpperCa(t);
	const ca = await startLowerCa(t, `protocol=cfssl,url=${upper.signUrl},${upper.files}`);
	await upper.close();
	t.is((await ca.request('GET', '/v1/whoami', { credentials: await ca.join('host1') })).status, 200);
	t.is((await ca.request('GET', '/v1/whoami', { credentials: await ca.join('alice', [], 'operator') })).status, 200);
});

/** What answers in the place of the upper CA, with a certificate that it takes for the upper one's server. @returns its address, as the setting has it */
async function standIn(t: ExecutionContext, upper: TestCa, status: number, answer: string): Promise<string> {
	const { key, cert } = await upper.enrol(await upper.join(`host-${status}`), 'localhost', 'server');
	const server = createHttpsServer({ key, cert }, (request, response) => {
		request.resume();
		response.writeHead(status).end(answer);
	});
	await once(server.listen(0, '127.0.0.1'), 'listening');
	t.teardown(() => server.close());
	return `url=https://localhost:${(server.address() as AddressInfo).port}/sign`;
}

const failure = (code: number): string => JSON.stringify({ success: false, result: null, errors: [{ code, message: 'no' }], messages: [] });

test('the addresses are asked in order; one that is away, hangs, answers nonsense or has trouble of its own is passed over', async (t) => {
	const upper = await startUpperCa(t);
	const silent = createServer(() => {});
	await once(silent.listen(0, '127.0.0.1'), 'listening');
	t.teardown(() => silent.close());
	const addresses = [
		'url=https://localhost:1/sign',
		await standIn(t, upper, 200, '{}'),
		`url=https://localhost:${(silent.address() as AddressInfo).port}/sign`,
		await standIn(t, upper, 503, failure(503)),
		await standIn(t, upper, 429, failure(429)),
		`url=${upper.signUrl}`,
	];
	const ca = await startLowerCa(t, `protocol=cfssl,${addresses.join(',')},${upper.files}`);
	const api = await ca.enrol(await ca.join('host1'), 'api01', 'web-api');
	t.regex(new X509Certificate(api.cert).subject, /CN=api01/);
});

test('who gives up while the external CA is slow gets the certificate by asking again, as agents do after 5 seconds', async (t) => {
	const upper = await startUpperCa(t);
	const silent = createServer(() => {});
	await once(silent.listen(0, '127.0.0.1'), 'listening');
	t.teardown(() => silent.close());
	const ca = await startLowerCa(t, `protocol=cfssl,url=https://localhost:${(silent.address() as AddressInfo).port}/sign,url=${upper.signUrl},${upper.files}`);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	const token = await ca.mint(node, id);
	const key = newKey();
	const call = request({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: CA_SERVER_NAME, agent: false, method: 'POST', path: '/v1/sign', headers: { authorization: `Bearer ${token}` } });
	call.on('error', () => {});
	call.end(key.csr());
	await once(silent, 'connection');
	call.destroy();
	await eventually('the certificate is there', async () => (await ca.admin('GET', '/v1/identities/api01')).status === 200, 30);
	t.is((await ca.sign(token, key)).status, 200);
	t.is((await upper.admin('GET', '/v1/identities/api01')).json<IdentityList>().identities.length, 1, 'and it is that one');
});

test('trouble of the upper CA is no refusal, whatever form it has: who asked is told to ask again', async (t) => {
	const upper = await startUpperCa(t);
	const ca = await startLowerCa(t, `protocol=cfssl,${await standIn(t, upper, 503, failure(503))},${upper.files}`);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	t.like((await ca.sign(await ca.mint(node, id), newKey())).json(), { status: 503, code: 'upstream-unavailable' });
});

test('while no address answers it is upstream-unavailable, and the token is good afterwards', async (t) => {
	const upper = await startUpperCa(t);
	const closed = await startLowerCa(t, `protocol=cfssl,url=https://localhost:1/sign,${upper.files}`);
	const node = await closed.join('host1');
	const { id } = await closed.authorize(node, { commonName: 'api01' });
	const token = await closed.mint(node, id);
	const key = newKey();
	const { status, json } = await closed.sign(token, key);
	t.is(status, 503);
	t.is(json()['code'], 'upstream-unavailable');
	await closed.close();
	writeFileSync(join(closed.state, 'config.json'), JSON.stringify({ listen: { host: '127.0.0.1', port: 0 }, trustDomain: 'birthmark.internal', environment: 'production', externalCa: `protocol=cfssl,url=${upper.signUrl},${upper.files}` }));
	const again = await startCa(t, { state: closed.state });
	t.is((await again.sign(token, key)).status, 200);
});

test('a refusal of the upper CA is final, and burns no token', async (t) => {
	const upper = await startUpperCa(t, ['web*/web']);
	const ca = await startLowerCa(t, `protocol=cfssl,url=${upper.signUrl},url=${upper.signUrl},${upper.files}`);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	const token = await ca.mint(node, id);
	for (let attempt = 0; attempt < 2; attempt++) t.like((await ca.sign(token, newKey())).json(), { status: 502, code: 'upstream-refused' });
	t.is((await ca.admin('GET', '/v1/identities/api01')).json()['code'], 'certificate-unknown');
});

/** What answers in the place of the upper CA, with its server key, whatever one wants. */
async function impostor(t: { teardown(clean: () => unknown): void }, server: Credentials, certificate: (order: { certificate_request: string }) => Promise<string>): Promise<string> {
	const listener = createHttpsServer({ key: server.key, cert: server.cert }, async (request, answer) => {
		const chunks: Buffer[] = [];
		for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
		const order = JSON.parse(Buffer.concat(chunks).toString()) as { certificate_request: string };
		answer.end(JSON.stringify({ success: true, result: { certificate: await certificate(order) }, errors: [], messages: [] }));
	});
	await once(listener.listen(0, '127.0.0.1'), 'listening');
	t.teardown(() => listener.close());
	return `https://localhost:${(listener.address() as AddressInfo).port}/sign`;
}

test('what comes back is taken only when it is what was asked for', async (t) => {
	const upper = await startUpperCa(t);
	const below = { key: readFileSync(join(upper.folder, 'key.pem'), 'utf8'), cert: readFileSync(join(upper.folder, 'cert.pem'), 'utf8') };
	const sign = async (order: object) => (await upper.request('POST', '/api/v1/cfssl/sign', { credentials: below, body: order })).json<{ result: { certificate: string } }>().result.certificate;
	const good = (csr: string) => ({ hosts: ['api01', 'spiffe://birthmark.internal/production/web/api01'], certificate_request: csr, subject: { CN: 'api01', names: [{ O: 'production', OU: 'web' }] }, profile: '' });
	const foreign = await startCa(t);
	const answers: Readonly<Record<string, (csr: string) => Promise<string>>> = {
		'another key': () => sign(good(newKey().csr())),
		'another name': (csr) => sign({ ...good(csr), hosts: ['db01'], subject: { CN: 'db01', names: [{ O: 'production', OU: 'web' }] } }),
		'more names': (csr) => sign({ ...good(csr), hosts: ['api01', 'db01'] }),
		'another role': (csr) => sign({ ...good(csr), hosts: ['api01'], subject: { CN: 'api01', names: [{ O: 'production', OU: 'admin' }] } }),
		'another CA': async () => (await foreign.enrol(await foreign.join('host1'), 'api01', 'web')).cert,
		'a CA certificate': async () => upper.bundle.toString(),
		nonsense: async () => 'nonsense',
	};
	for (const [what, answer] of Object.entries(answers)) {
		const serverKey = await upper.enrol(await upper.join(`host-${what.length}`), 'localhost', 'server');
		const url = await impostor(t, serverKey, ({ certificate_request: csr }) => answer(csr));
		const ca = await startLowerCa(t, `protocol=cfssl,url=${url},${upper.files}`);
		const node = await ca.join('host1');
		const { id } = await ca.authorize(node, { commonName: 'api01' });
		const token = await ca.mint(node, id);
		t.is((await ca.sign(token, newKey())).json()['code'], 'upstream-refused', what);
		await ca.close();
	}
	const ca = await startLowerCa(t, `protocol=cfssl,url=${await impostor(t, await upper.enrol(await upper.join('host-good'), 'localhost', 'server'), ({ certificate_request: csr }) => sign(good(csr)))},${upper.files}`);
	t.regex((await ca.enrol(await ca.join('host1'), 'api01', 'web')).cert, /BEGIN CERTIFICATE/, 'the same with the right answer');
});

test('a server that cannot prove to be the external CA is never sent a request', async (t) => {
	const upper = await startUpperCa(t);
	const foreign = await startCa(t, { config: { listen: { host: '127.0.0.1', port: 0, names: ['localhost'] } } });
	const ca = await startLowerCa(t, `protocol=cfssl,url=https://localhost:${foreign.port}/api/v1/cfssl/sign,${upper.files}`);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	t.is((await ca.sign(await ca.mint(node, id), newKey())).json()['code'], 'upstream-unavailable');
});

test('a setting that says too little, too much or something else is refused', (t) => {
	const files = 'cacert=a,cert=b,key=c,chain=d';
	t.deepEqual(parseExternalAddress(`protocol=cfssl,url=https://a/sign,url=https://b/sign,${files},uri=no`), {
		urls: ['https://a/sign', 'https://b/sign'], caFile: 'a', certificateFile: 'b', keyFile: 'c', chainFile: 'd', asksForUri: false,
	});
	for (const text of [
		'', 'protocol=cfssl', `url=https://a/sign,${files}`, `protocol=acme,url=https://a/sign,${files}`, `protocol=cfssl,url=http://a/sign,${files}`,
		`protocol=cfssl,url=https://u:p@a/sign,${files}`, `protocol=cfssl,url=https://a/sign,${files},key=e`, `protocol=cfssl,url=https://a/sign,cacert=a`,
		`protocol=cfssl,url=https://a/sign,${files},ca=x`, `protocol=cfssl,url=https://a/sign,${files},uri=maybe`, `protocol=cfssl,,url=https://a/sign,${files}`,
	]) t.is(t.throws(() => parseExternalAddress(text), { instanceOf: BirthmarkError })?.code, 'config-invalid', text);
});

test('a key that others can read, and a chain without a root, do not start', async (t) => {
	const upper = await startUpperCa(t);
	chmodSync(join(upper.folder, 'key.pem'), 0o644);
	const start = () => startLowerCa(t, `protocol=cfssl,url=${upper.signUrl},${upper.files}`);
	await t.throwsAsync(start, { instanceOf: BirthmarkError, message: /can be read by others/ });
	chmodSync(join(upper.folder, 'key.pem'), 0o600);
	const chain = join(upper.folder, 'chain.pem');
	writeFileSync(chain, readFileSync(chain, 'utf8').split(/(?<=END CERTIFICATE-----\n)/)[0]!);
	await t.throwsAsync(start, { instanceOf: BirthmarkError, message: /holds no root/ });
});

test('more roots than clients take in a bundle, with two of our own, do not start', async (t) => {
	const upper = await startUpperCa(t);
	const chain = join(upper.folder, 'chain.pem');
	const roots = await Promise.all(Array.from({ length: 6 }, async () => (await createPki()).bundle.toString()));
	const start = () => startLowerCa(t, `protocol=cfssl,url=${upper.signUrl},${upper.files}`);
	writeFileSync(chain, roots.join(''));
	const ca = await start();
	await ca.admin('POST', '/v1/rotation', { changes: 'root', isManual: true });
	const { body } = await ca.admin('GET', '/v1/roots');
	t.notThrows(() => requireBundle(body));
	await ca.close();
	writeFileSync(chain, roots.join('') + upper.bundle.toString());
	await t.throwsAsync(start, { instanceOf: BirthmarkError, code: 'config-invalid', message: /7 roots/ });
});

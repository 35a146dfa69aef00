/** The CA as a cfssl server: who may ask, for what, and in which words it answers. */

import test, { type ExecutionContext } from 'ava';
import { randomBytes, X509Certificate } from 'node:crypto';
import { cpSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { CA_SERVER_NAME, type IdentityList } from '#common/protocol/messages.ts';
import { signCertificate } from '#common/x509/certificate.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { leafExtensions } from '#common/x509/profile.ts';
import { createSerial } from '#common/x509/serial.ts';
import { readCaConfig } from '../../../../ca/config.ts';
import { openCfsslClients } from '../../../../ca/registration/cfssl-clients.ts';
import { movableClock, newKey, startCa, temporaryFolder, type Credentials, type StartOptions, type TestCa } from '../../../support/ca.ts';
import { createPki, pem, unlinted } from '../../../support/pki.ts';

interface CfsslAnswer {
	readonly success: boolean;
	readonly result: { readonly certificate: string } | null;
	readonly errors: ReadonlyArray<{ readonly code: number; readonly message: string }>;
	readonly messages: readonly unknown[];
}

/** As swarmkit asks, with what Go makes of what it leaves empty. */
function order(names: { CN?: string; O?: string; OU?: string; hosts?: readonly string[] } = {}, more: object = {}) {
	const { CN = 'x5node', O = 'cluster1', OU = 'swarm-worker', hosts = [OU, CN] } = names;
	return { hosts, certificate_request: newKey().csr(), subject: { CN, names: [{ O, OU }] }, profile: '', crl_override: '', label: '', NotBefore: '0001-01-01T00:00:00Z', NotAfter: '0001-01-01T00:00:00Z', ReturnPrecert: false, metadata: null, ...more };
}

async function sign(ca: TestCa, credentials: Credentials | undefined, body: object) {
	const { status, json } = await ca.request('POST', '/api/v1/cfssl/sign', { body, ...(credentials && { credentials }) });
	return { status, ...json<CfsslAnswer>() };
}

const issuerOf = async (ca: TestCa): Promise<string> => (await ca.request('POST', '/api/v1/cfssl/info', { body: { label: '' } })).json<CfsslAnswer>().result!.certificate;

/** A CA that signs for managers of another CA, as for those of a Docker Swarm, and for its own operator alice. */
async function startUpstream(t: ExecutionContext, options: StartOptions = {}) {
	const swarm = await startCa(t, { config: { environment: 'cluster1' } });
	const clientCaFile = join(temporaryFolder(t), 'swarm.pem');
	writeFileSync(clientCaFile, swarm.bundle + await issuerOf(swarm));
	const clients = [
		{ name: 'swarm', clientCaFile, organization: 'cluster1', organizationalUnit: 'swarm-manager', allow: ['x5*/swarm-*', 'swarm-*/swarm-*'], lifetimeSeconds: 3600 },
		{ name: 'alice', organization: 'production', organizationalUnit: 'birthmark-operator', commonName: 'alice', allow: ['db*/db'], allowOrganizations: ['staging'] },
	];
	const ca = await startCa(t, { ...options, config: { listen: { host: '127.0.0.1', port: 0, names: ['ca.example.internal'] }, cfssl: { clients } } });
	return { ca, swarm, manager: await swarm.enrol(await swarm.join('host1'), 'x5manager', 'swarm-manager') };
}

test('a manager of the swarm gets certificates for the nodes of its swarm, in the form of cfssl', async (t) => {
	const { ca, manager } = await startUpstream(t);
	const { status, success, result, errors, messages } = await sign(ca, manager, order({ OU: 'swarm-manager', hosts: ['swarm-manager', 'x5node', 'swarm-ca'] }));
	t.deepEqual([status, success, errors, messages], [200, true, [], []]);
	const leaf = new X509Certificate(result!.certificate);
	t.is(result!.certificate.match(/BEGIN/g)?.length, 1, 'the leaf alone');
	t.is(leaf.subject, 'O=cluster1\nOU=swarm-manager\nCN=x5node');
	t.is(leaf.subjectAltName, 'DNS:x5node, DNS:swarm-manager, DNS:swarm-ca, URI:spiffe://birthmark.internal/cluster1/swarm-manager/x5node');
	t.is(leaf.validToDate.getTime() - leaf.validFromDate.getTime(), (3600 + 60) * 1000);
	t.true(leaf.checkIssued(new X509Certificate(await issuerOf(ca))));
	t.like((await ca.admin('GET', '/v1/identities/x5node')).json<IdentityList>().identities[0], { status: 'live', organization: 'cluster1' });
});

test('what the CA signed for a manager lets that manager ask in its turn, also without the intermediate', async (t) => {
	const { ca, manager } = await startUpstream(t);
	const key = newKey();
	const { result } = await sign(ca, manager, order({ CN: 'x5second', OU: 'swarm-manager' }, { certificate_request: key.csr() }));
	const second = { key: key.pem, cert: result!.certificate };
	t.true((await sign(ca, second, order())).success);
	const { identities } = (await ca.admin('GET', '/v1/identities/x5second')).json<IdentityList>();
	await ca.admin('POST', '/v1/revoke', { serial: identities[0]!.serial });
	t.like(await sign(ca, second, order()), { status: 403, success: false, result: null });
	t.like((await ca.request('POST', '/v1/renew', { credentials: manager, body: newKey().csr() })).json(), { code: 'forbidden' }, 'an external caller renews nothing here');
});

test('a certificate that was signed over cfssl is renewed by whoever ordered it, not by its holder', async (t) => {
	const { ca, manager } = await startUpstream(t);
	const key = newKey();
	const { result } = await sign(ca, manager, order({}, { certificate_request: key.csr() }));
	const answer = await ca.request('POST', '/v1/renew', { credentials: { key: key.pem, cert: result!.certificate }, body: newKey().csr() });
	t.is(answer.json()['code'], 'authorization-unknown');
});

test('who is in no entry, and whoever comes without a certificate, gets nothing', async (t) => {
	const { ca, swarm } = await startUpstream(t);
	const worker = await swarm.enrol(await swarm.join('host2'), 'x5worker', 'swarm-worker');
	t.like(await sign(ca, worker, order()), { status: 403, success: false, result: null, errors: [{ code: 5300 }], messages: [] });
	t.like(await sign(ca, undefined, order()), { status: 401, success: false, errors: [{ code: 7100 }] });
	t.like(await sign(ca, await ca.join('bob', [], 'operator'), order()), { status: 403, success: false });
	t.like(await sign(ca, await ca.join('host1'), order()), { status: 403, success: false });
	const third = await startCa(t, { config: { environment: 'cluster1' } });
	const impostor = await third.enrol(await third.join('host1'), 'x5manager', 'swarm-manager');
	t.like(await sign(ca, impostor, order()), { status: 401, success: false });
	t.is((await ca.request('GET', '/v1/whoami', { credentials: worker })).json()['code'], 'forbidden');
});

test('an operator of ours asks within its own entry', async (t) => {
	const { ca } = await startUpstream(t);
	const alice = await ca.join('alice', [], 'operator');
	t.true((await sign(ca, alice, order({ CN: 'db01', O: 'staging', OU: 'db', hosts: ['db01', 'spiffe://birthmark.internal/staging/db/db01'] }))).success);
	t.like(await sign(ca, alice, order({ CN: 'db01', O: 'production', OU: 'db', hosts: ['db01'] })), { status: 403, errors: [{ code: 5500 }] });
	t.like(await sign(ca, alice, order({ CN: 'db01', O: 'staging', OU: 'db', hosts: ['spiffe://birthmark.internal/staging/db/db02'] })), { status: 400, errors: [{ code: 5300 }] });
});

test('names, organizations and hosts outside the entry are refused', async (t) => {
	const { ca, manager } = await startUpstream(t);
	for (const names of [{ O: 'cluster2' }, { CN: 'web01' }, { OU: 'web' }, { hosts: ['x5node', 'web01'] }]) t.like(await sign(ca, manager, order(names)), { status: 403, success: false, errors: [{ code: 5500 }] }, JSON.stringify(names));
	for (const names of [{ CN: 'birthmark-ca' }, { hosts: ['10.0.0.1'] }, { hosts: ['*.example'] }, { O: 'a/b' }]) t.false((await sign(ca, manager, order(names))).success, JSON.stringify(names));
});

test('what this CA does not do is refused instead of being left out', async (t) => {
	const { ca, manager } = await startUpstream(t);
	const faults = [
		{ profile: 'CA' }, { extensions: [{ ID: '2.5.29.19', Critical: true, Value: '30030101ff' }] }, { NotAfter: '2099-01-01T00:00:00Z' }, { serial: 5 }, { label: 'other' }, { unknown: 1 },
		{ subject: { CN: 'x5node', names: [] } }, { subject: { CN: 'x5node', names: [{ O: 'cluster1', OU: 'swarm-worker', C: 'DE' }] } }, { certificate_request: '' },
	];
	for (const fault of faults) t.like(await sign(ca, manager, order({}, fault)), { status: 400, success: false, errors: [{ code: 400 }] }, JSON.stringify(fault));
});

test('a CSR that cannot be read or is not signed by its key has the numbers of cfssl', async (t) => {
	const { ca, manager } = await startUpstream(t);
	t.like(await sign(ca, manager, order({}, { certificate_request: 'nonsense' })), { status: 400, errors: [{ code: 9002 }] });
	const lines = newKey().csr().split('\n');
	const [last] = lines.splice(-3, 1);
	lines.splice(-2, 0, last!.replace(/./, (first) => (first === 'A' ? 'B' : 'A')));
	const { errors } = await sign(ca, manager, order({}, { certificate_request: lines.join('\n') }));
	t.true([9002, 9300].includes(errors[0]!.code));
});

test('an external caller whose certificate has expired is refused on a connection that is open', async (t) => {
	const clock = movableClock();
	const { ca, manager } = await startUpstream(t, { clock });
	// The same connection for both: by now the CA may have a server certificate that this machine's clock does not take.
	const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: ca.bundle, servername: CA_SERVER_NAME, ...manager });
	t.teardown(() => agent.destroy());
	const ask = () => new Promise<CfsslAnswer & { status: number; isReused: boolean }>((resolve, reject) => {
		const call = request({ agent, host: '127.0.0.1', port: ca.port, method: 'POST', path: '/api/v1/cfssl/sign', headers: { 'content-type': 'application/json' } }, async (response) => {
			const body = Buffer.concat(await response.toArray() as Buffer[]).toString();
			resolve({ status: response.statusCode!, isReused: call.reusedSocket, ...JSON.parse(body) as CfsslAnswer });
		});
		call.once('error', reject).end(JSON.stringify(order()));
	});
	t.like(await ask(), { success: true, isReused: false });
	clock.advance(25 * 3600);
	await ca.lookAfter();
	t.like(await ask(), { status: 401, isReused: true, errors: [{ code: 7100 }] });
});

test('what this CA signed itself is in its records or counts for nothing, also where an entry names this CA', async (t) => {
	const before = await startCa(t, { config: { environment: 'cluster1' } });
	const clientCaFile = join(temporaryFolder(t), 'own.pem');
	writeFileSync(clientCaFile, before.bundle + await issuerOf(before));
	const node = await before.join('host1');
	await before.close();
	const lost = join(temporaryFolder(t), 'state');
	cpSync(before.state, lost, { recursive: true });
	const meanwhile = await startCa(t, { state: before.state });
	const manager = await meanwhile.enrol(node, 'x5manager', 'swarm-manager');
	await meanwhile.close();
	const clients = [{ name: 'swarm', clientCaFile, organization: 'cluster1', organizationalUnit: 'swarm-manager', allow: ['*/*'] }];
	writeFileSync(join(lost, 'config.json'), JSON.stringify({ listen: { host: '127.0.0.1', port: 0 }, environment: 'cluster1', cfssl: { clients } }));
	const ca = await startCa(t, { state: lost });
	t.like(await sign(ca, manager, order()), { status: 401, success: false });
	t.true((await sign(ca, await ca.enrol(node, 'x5manager', 'swarm-manager'), order())).success, 'the same with a record');
});

test('a client CA that was replaced in its file counts no more after a reload', async (t) => {
	const swarm = await startCa(t, { config: { environment: 'cluster1' } });
	const clientCaFile = join(temporaryFolder(t), 'swarm.pem');
	writeFileSync(clientCaFile, swarm.bundle + await issuerOf(swarm));
	const cfssl = { clients: [{ name: 'swarm', clientCaFile, organization: 'cluster1', organizationalUnit: 'swarm-manager', allow: ['x5*/swarm-*', 'swarm-*/swarm-*'] }] };
	const ca = await startCa(t, { config: { listen: { host: '127.0.0.1', port: 0 }, cfssl } });
	const manager = await swarm.enrol(await swarm.join('host1'), 'x5manager', 'swarm-manager');
	t.true((await sign(ca, manager, order())).success);
	writeFileSync(clientCaFile, 'nonsense');
	await t.throwsAsync(ca.reload({ cfssl }), { instanceOf: BirthmarkError, message: /does not hold CA certificates/ });
	t.true((await sign(ca, manager, order())).success, 'all is as before');
	writeFileSync(clientCaFile, pem(createPki().root));
	await ca.reload({ cfssl });
	t.like(await sign(ca, manager, order()), { status: 401, success: false });
});

test('without allowOrganizations a caller asks for its own O, letter by letter: an O that reads as a pattern is none', async (t) => {
	const { root, rootIssuer, dates } = createPki();
	const clientCaFile = join(temporaryFolder(t), 'partner.pem');
	writeFileSync(clientCaFile, pem(root));
	const clients = [{ name: 'partner', clientCaFile, organization: '*', organizationalUnit: 'unit', allow: ['*/*'] }];
	const ca = await startCa(t, { config: { listen: { host: '127.0.0.1', port: 0 }, cfssl: { clients } } });
	const member = (organization: string): Credentials => {
		const { privateKey, publicKey } = generateSigningKey();
		const extensions = leafExtensions(publicKey, rootIssuer.keyId, { dnsNames: ['gateway'], spiffeId: 'spiffe://partner.example/gateway' }, ['clientAuth']);
		const der = signCertificate({ serial: createSerial(randomBytes), subject: { commonName: 'gateway', organizationalUnit: 'unit', organization }, publicKey, ...dates, extensions }, rootIssuer, unlinted);
		return { key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string, cert: pem(der) };
	};
	t.true((await sign(ca, member('partner'), order({ O: 'partner', OU: 'web' }))).success);
	for (const organization of ['partner', '*', 'produc????', 'p*']) {
		t.like(await sign(ca, member(organization), order({ O: 'production', OU: 'web' })), { status: 403, errors: [{ code: 5500 }] }, organization);
	}
});

test('a subject that would not be readable in a log is none', (t) => {
	const clientCaFile = join(temporaryFolder(t), 'ca.pem');
	const { root, rootIssuer, dates } = createPki();
	writeFileSync(clientCaFile, pem(root));
	const clients = openCfsslClients([{ name: 'partner', clientCaFile, commonName: '*', organization: '*', organizationalUnit: '*', allow: ['*/*'], allowOrganizations: [], lifetimeSeconds: null }]);
	const identify = (commonName: string) => {
		const { publicKey } = generateSigningKey();
		const leaf = signCertificate({ serial: createSerial(randomBytes), subject: { commonName, organizationalUnit: 'unit', organization: 'partner' }, publicKey, ...dates, extensions: [] }, rootIssuer, unlinted);
		return clients.identify(new X509Certificate(leaf))?.commonName;
	};
	t.is(identify('Jörg Müller (gateway)'), 'Jörg Müller (gateway)');
	for (const name of ['two\nlines', '\u001b[2J', 'x'.repeat(65), 'a\u202eb']) t.is(identify(name), undefined, JSON.stringify(name));
});

test('the server\'s certificate has the names of listen.names as well', async (t) => {
	const { ca } = await startUpstream(t);
	const socket = connect({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: 'ca.example.internal' });
	t.teardown(() => socket.destroy());
	await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
	t.is(socket.getPeerX509Certificate()?.subjectAltName, 'DNS:birthmark-ca, DNS:ca.example.internal, URI:spiffe://birthmark.internal/birthmark/ca/server');
});

test('an entry without patterns, or with a file that holds no CA, does not start', (t) => {
	t.throws(() => readCaConfig(JSON.stringify({ cfssl: { clients: [{ name: 'swarm', allow: ['*/*'] }] } }), {}), { instanceOf: BirthmarkError, message: /organizationalUnit[\s\S]*organization/ });
	const entry = { name: 'swarm', commonName: '*', organization: 'x', organizationalUnit: 'y', allow: ['*/*'], allowOrganizations: [], lifetimeSeconds: null };
	const file = join(temporaryFolder(t), 'no.pem');
	t.throws(() => openCfsslClients([{ ...entry, clientCaFile: file }]), { instanceOf: BirthmarkError, message: /cannot be read/ });
	writeFileSync(file, newKey().pem);
	t.throws(() => openCfsslClients([{ ...entry, clientCaFile: file }]), { instanceOf: BirthmarkError, message: /does not hold CA certificates/ });
});

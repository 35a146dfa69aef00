/** Issuance profiles: what a configuration may say, and what comes of it in certificates. */

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodePem } from '#common/x509/pem.ts';
import { readCaConfig } from '../../../../ca/config.ts';
import { workloadIdentity } from '../../../../ca/issuance/identity.ts';
import { requireKey } from '../../../../ca/issuance/profiles.ts';
import { newContainerId, newKey, startCa, type Answer, type Credentials, type TestCa } from '../../../support/ca.ts';
import { testDomain } from '../../../support/domain.ts';

const names = { commonName: 'api01', organizationalUnit: 'web', dnsNames: [] };

const FAULTS: Readonly<Record<string, readonly [profiles: object, path: string]>> = {
	'a lifetime above the maximum': [{ client: { lifetimeSeconds: 1000, maximumSeconds: 999 } }, 'profiles.client.lifetimeSeconds'],
	'a lifetime under ten seconds': [{ client: { lifetimeSeconds: 9 } }, 'profiles.client.lifetimeSeconds'],
	'a type of key that there is not': [{ node: { keyTypes: ['P-256', 'DSA'] } }, 'profiles.node.keyTypes.1'],
	'RSA under 2048 bits': [{ workload: { rsaMinimumBits: 1024 } }, 'profiles.workload.rsaMinimumBits'],
	'a variable that there is not': [{ workload: { dnsNames: ['{commonName}', '{image}.test'] } }, 'profiles.workload.dnsNames.1'],
	'a wildcard': [{ workload: { dnsNames: ['{commonName}', '*.{organizationalUnit}.test'] } }, 'profiles.workload.dnsNames.1'],
	'a DNS name with an underscore': [{ workload: { dnsNames: ['{commonName}', 'a_b.{commonName}'] } }, 'profiles.workload.dnsNames.1'],
	'a label made of two values': [{ workload: { dnsNames: ['{commonName}', '{commonName}-{organizationalUnit}.test'] } }, 'profiles.workload.dnsNames.1'],
	'DNS names that two templates make of different values': [{ workload: { dnsNames: ['{commonName}', '{commonName}.{organizationalUnit}.test', '{organizationalUnit}.{commonName}.test'] } }, 'profiles.workload.dnsNames.1'],
	'a DNS name of everybody that is also the one of an instance': [{ workload: { dnsNames: ['{commonName}', 'api.svc.test', '{commonName}.svc.test'] } }, 'profiles.workload.dnsNames.1'],
	'no DNS name': [{ workload: { dnsNames: [] } }, 'profiles.workload.dnsNames'],
	'DNS names without the CN': [{ workload: { dnsNames: ['{commonName}.test'] } }, 'profiles.workload.dnsNames'],
	'DNS names for clients': [{ client: { dnsNames: ['{commonName}'] } }, 'profiles.client'],
	'a path without the instance': [{ workload: { spiffePath: '/{organization}/{organizationalUnit}' } }, 'profiles.workload.spiffePath'],
	'a path that does not begin with a slash': [{ workload: { spiffePath: '{commonName}' } }, 'profiles.workload.spiffePath'],
	'a path that ends with a slash': [{ workload: { spiffePath: '/{commonName}/' } }, 'profiles.workload.spiffePath'],
	'a path with a parent in it': [{ workload: { spiffePath: '/../{commonName}' } }, 'profiles.workload.spiffePath'],
	'a segment made of two values': [{ workload: { spiffePath: '/{organizationalUnit}-{commonName}/{commonName}' } }, 'profiles.workload.spiffePath'],
	"a path under that of Birthmark's own parts": [{ workload: { spiffePath: '/birthmark/node/{commonName}' } }, 'profiles.workload.spiffePath'],
	'paths that another profile makes of different values': [{ client: { spiffePath: '/{organization}/{commonName}/{organizationalUnit}' } }, 'profiles.client.spiffePath'],
	'a path that is one of a role under another profile': [{ client: { spiffePath: '/{organization}/clients/{commonName}' } }, 'profiles.client.spiffePath'],
	'an intermediate that outlives its root': [{ ca: { rootLifetimeSeconds: 2_592_000, intermediateLifetimeSeconds: 2_592_001 } }, 'profiles.ca.intermediateLifetimeSeconds'],
	'a responder that lives too long': [{ ocsp: { lifetimeSeconds: 31 * 86_400 } }, 'profiles.ocsp.lifetimeSeconds'],
	'a profile that there is not': [{ gateway: {} }, 'profiles'],
	'purposes, which are not configured': [{ node: { purposes: ['serverAuth'] } }, 'profiles.node'],
};
for (const [name, [profiles, path]] of Object.entries(FAULTS)) {
	test(`${name} is a fault, told with its path`, (t) => {
		const { message } = t.throws(() => readCaConfig(JSON.stringify({ profiles }), {}), { code: 'config-invalid' });
		t.true(message.includes(`\n  ${path}: `), message);
	});
}

test('profiles may have paths of their own that cannot meet', (t) => {
	for (const spiffePath of ['/{organization}/{organizationalUnit}/{commonName}', '/{organization}/clients/{organizationalUnit}/{commonName}', '/{commonName}', '/svc/{organizationalUnit}/{commonName}', '/{trustDomain}/{organizationalUnit}/{commonName}']) {
		t.is(readCaConfig(JSON.stringify({ profiles: { client: { spiffePath } } }), {}).profiles.client.spiffePath, spiffePath);
	}
});

test('every fault of every profile is told at once', (t) => {
	const profiles = { workload: { lifetimeSeconds: 1 }, client: { spiffePath: '/' }, node: { keyTypes: ['X'] } };
	const { message } = t.throws(() => readCaConfig(JSON.stringify({ profiles }), {}));
	t.like(t.throws(() => readCaConfig(JSON.stringify({ profiles: { workload: { dnsNames: ['{commonName}', '({commonName}', '{commonName}.test'] } } }), {})), { code: 'config-invalid' });
	for (const path of ['workload.lifetimeSeconds', 'client.spiffePath', 'node.keyTypes.0']) t.true(message.includes(`profiles.${path}: `), message);
});

test('templates make the names of a certificate', (t) => {
	const dnsNames = ['{commonName}', '{commonName}.{organizationalUnit}.svc.test', '{commonName}.{organizationalUnit}.{trustDomain}'];
	const domain = testDomain('example.org', 'test', { workload: { dnsNames, spiffePath: '/ns/{organizationalUnit}/sa/{commonName}' } });
	const identity = workloadIdentity({ ...names, dnsNames: ['more.test'] }, domain);
	t.deepEqual(identity.alternativeNames, ['api01', 'api01.web.svc.test', 'api01.web.example.org', 'more.test']);
	t.is(identity.spiffeId, 'spiffe://example.org/ns/web/sa/api01');
});

test('names that could come from two authorizations are not made', (t) => {
	const domain = testDomain('example.org', 'test', { workload: { dnsNames: ['{commonName}', '{commonName}.{organizationalUnit}.test'] } });
	for (const [commonName, organizationalUnit] of [['a.b', 'c'], ['a', 'b.c'], ['a', 'B'], ['a', 'b_c']] as const) {
		t.like(t.throws(() => workloadIdentity({ commonName, organizationalUnit, dnsNames: [] }, domain)), { code: 'name-illegal' });
	}
	const plain = testDomain('example.org', 'test');
	t.deepEqual(workloadIdentity({ commonName: 'a.b', organizationalUnit: 'C_d', dnsNames: [] }, plain).alternativeNames, ['a.b']);
});

test('a name that a template makes for others is not given to whoever asks for it by itself', (t) => {
	const dnsNames = ['{commonName}', '{commonName}.{organizationalUnit}.svc.test', '{organizationalUnit}.svc.test'];
	const domain = testDomain('example.org', 'test', { workload: { dnsNames } });
	for (const stolen of ['api02.web.svc.test', 'api01.db.svc.test', 'db.svc.test']) {
		t.like(t.throws(() => workloadIdentity({ ...names, dnsNames: [stolen] }, domain)), { code: 'name-not-allowed' }, stolen);
	}
	const own = ['api01.web.svc.test', 'web.svc.test', 'a.b.web.svc.test', 'svc.test', 'api02.test'];
	t.deepEqual(workloadIdentity({ ...names, dnsNames: own }, domain).alternativeNames.toSorted(), ['api01', ...own].toSorted());
	const byRole = testDomain('example.org', 'test', { workload: { dnsNames: ['{commonName}', '{organizationalUnit}.{trustDomain}'] } });
	t.like(t.throws(() => workloadIdentity({ ...names, commonName: 'db.example.org' }, byRole)), { code: 'name-not-allowed' }, 'as its CN');
});

test('no template leads to the SPIFFE IDs of the parts of Birthmark, whatever the trust domain is called', (t) => {
	const template = { workload: { spiffePath: '/{trustDomain}/{organizationalUnit}/{commonName}' } };
	const node = { commonName: 'host1', organizationalUnit: 'node', dnsNames: [] };
	t.like(t.throws(() => workloadIdentity(node, testDomain('birthmark', 'test', template))), { code: 'name-illegal' });
	t.is(workloadIdentity(node, testDomain('birthmark.internal', 'test', template)).spiffeId, 'spiffe://birthmark.internal/birthmark.internal/node/host1');
});

test('a profile says which keys it takes; P-256 it always takes', (t) => {
	const spki = (key: { export(options: object): string | Buffer }) => key.export({ format: 'der', type: 'spki' }) as Buffer;
	const p256 = spki(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
	const p384 = spki(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey);
	const ed25519 = spki(generateKeyPairSync('ed25519').publicKey);
	const rsa = spki(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey);
	const { profiles } = testDomain('example.org', 'test', { node: { keyTypes: ['P-384'] }, client: { rsaMinimumBits: 3072 } });
	for (const key of [p256, p384, ed25519, rsa]) t.notThrows(() => requireKey(profiles.workload, key));
	for (const key of [p256, p384]) t.notThrows(() => requireKey(profiles.node, key));
	for (const key of [ed25519, rsa]) t.like(t.throws(() => requireKey(profiles.node, key)), { code: 'csr-key-unsupported' });
	t.like(t.throws(() => requireKey(profiles.client, rsa)), { code: 'csr-key-weak' });
});

async function authorize(ca: TestCa, credentials: Credentials, more: object): Promise<Answer> {
	return ca.request('POST', '/v1/authorize', { credentials, body: { ...names, image: 'test:1', containerId: newContainerId(), ...more } });
}

/** Enrols a container under a profile, and renews what it got. */
async function certificates(ca: TestCa, node: Credentials, profile: string): Promise<[enrolled: X509Certificate, renewed: X509Certificate]> {
	const { id } = (await authorize(ca, node, { profile })).json<{ id: string }>();
	const key = newKey();
	const enrolled = await ca.sign(await ca.mint(node, id), key);
	const renewed = await ca.request('POST', '/v1/renew', { credentials: { key: key.pem, cert: enrolled.text }, body: newKey().csr() });
	return [new X509Certificate(enrolled.text), new X509Certificate(renewed.text)];
}

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

test('a container chooses among the profiles for workloads, and a renewal keeps to the choice', async (t) => {
	const ca = await startCa(t, { config: { profiles: { client: { lifetimeSeconds: 600 } } } });
	const node = await ca.join('host1');
	const expected = { workload: [SERVER_AUTH, CLIENT_AUTH], client: [CLIENT_AUTH] };
	for (const [profile, usages] of Object.entries(expected)) {
		for (const certificate of await certificates(ca, node, profile)) {
			t.deepEqual(certificate.keyUsage, usages, profile);
			t.is(certificate.subjectAltName, `${profile === 'client' ? '' : 'DNS:api01, '}URI:spiffe://birthmark.internal/production/web/api01`);
			const seconds = (certificate.validToDate.getTime() - Date.now()) / 1000;
			t.true(profile === 'client' ? seconds <= 600 : seconds > 80_000, `${profile}: ${seconds}`);
		}
	}
});

test('what a profile does not give is refused when it is asked for', async (t) => {
	const ca = await startCa(t, { config: { profiles: { client: { maximumSeconds: 90_000 } } } });
	const node = await ca.join('host1');
	t.is((await authorize(ca, node, { profile: 'server' })).json()['code'], 'request-malformed');
	t.is((await authorize(ca, node, { profile: 'client', dnsNames: ['more.test'] })).json()['code'], 'name-not-allowed');
	t.is((await authorize(ca, node, { profile: 'client', lifetimeSeconds: 90_001 })).json()['code'], 'request-malformed');
	t.is((await authorize(ca, node, { profile: 'workload', lifetimeSeconds: 90_001 })).status, 201);
});

test('the same container under another profile is a conflict', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const containerId = newContainerId();
	t.is((await authorize(ca, node, { containerId })).status, 201);
	t.is((await authorize(ca, node, { containerId, profile: 'workload' })).status, 201);
	t.is((await authorize(ca, node, { containerId, profile: 'client' })).json()['code'], 'authorization-conflict');
});

test('a key that the profile does not take is refused, and the token stays good', async (t) => {
	const ca = await startCa(t, { config: { profiles: { workload: { keyTypes: [] } } } });
	const node = await ca.join('host1');
	const { id } = (await authorize(ca, node, {})).json<{ id: string }>();
	const token = await ca.mint(node, id);
	const csr = execFileSync('openssl', ['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', '/dev/null', '-subj', '/CN=api01'], { stdio: ['ignore', 'pipe', 'ignore'] });
	const refused = await ca.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body: csr });
	t.is(refused.json()['code'], 'csr-key-unsupported');
	t.is((await ca.sign(token, newKey())).status, 200);
});

test('a maximum that was lowered holds for containers that were authorized before', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = (await authorize(ca, node, { lifetimeSeconds: 600_000 })).json<{ id: string }>();
	await ca.close();
	writeFileSync(join(ca.state, 'config.json'), JSON.stringify({ listen: { host: '127.0.0.1', port: 0 }, profiles: { workload: { lifetimeSeconds: 3600, maximumSeconds: 7200 } } }));
	const again = await startCa(t, { state: ca.state });
	const { text } = await again.sign(await again.mint(node, id), newKey());
	t.true(new X509Certificate(text).validToDate.getTime() <= Date.now() + 7_200_000);
});

test('the life of roots and intermediates is configured', async (t) => {
	const ca = await startCa(t, { config: { profiles: { ca: { rootLifetimeSeconds: 100 * 86_400, intermediateLifetimeSeconds: 50 * 86_400 } } } });
	const [, intermediate] = decodePem('CERTIFICATE', (await ca.join('host1')).cert)!;
	const days = (pem: string | Buffer) => Math.round((new X509Certificate(pem).validToDate.getTime() - Date.now()) / 86_400_000);
	t.deepEqual([days(ca.bundle), days(intermediate!)], [100, 50]);
});

test('names outside the constraints of the intermediate are refused at once, and those inside are served by the CA', async (t) => {
	const ca = await startCa(t, { config: { trustDomain: 'example.org', profiles: { ca: { nameConstraints: { dnsDomains: ['svc.test'], trustDomain: true } } } } });
	const node = await ca.join('host1');
	t.is((await authorize(ca, node, { commonName: 'api01.svc.test' })).status, 201);
	t.is((await authorize(ca, node, { commonName: 'api01' })).json()['code'], 'name-not-allowed');
	t.is((await authorize(ca, node, { commonName: 'api02.svc.test', dnsNames: ['api02.other.test'] })).json()['code'], 'name-not-allowed');
	const { id } = await ca.authorize(node, { commonName: 'api03.svc.test' });
	const key = newKey();
	const { text } = await ca.sign(await ca.mint(node, id), key);
	const renewed = await ca.request('POST', '/v1/renew', { credentials: { key: key.pem, cert: text }, body: newKey().csr() });
	t.is(renewed.status, 200);
});

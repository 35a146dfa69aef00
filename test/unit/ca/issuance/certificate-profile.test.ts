/**
 * The certificate profile, rule by rule, on certificates that a running CA issued (RFC 5280, RFC 6960,
 * X509-SVID). What is said of encodings is read from the bytes, what is said of meaning by OpenSSL and
 * by @peculiar/x509.
 */

import 'reflect-metadata';
import { BasicConstraintsExtension, ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension, X509Certificate as LibraryCertificate } from '@peculiar/x509';
import test from 'ava';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { CA_SERVER_NAME } from '#common/protocol/messages.ts';
import { decodeCertificate } from '#common/x509/certificate-decode.ts';
import { contextTag, encode, Tag } from '#common/x509/der.ts';
import { DerReader } from '#common/x509/der-reader.ts';
import { OID } from '#common/x509/extensions.ts';
import { certificateId } from '#common/x509/ocsp-request.ts';
import { decodePem } from '#common/x509/pem.ts';
import { createSerial } from '#common/x509/serial.ts';
import type { TrustState } from '../../../../ca/issuance/authorities.ts';
import { createIssue } from '../../../../ca/issuance/issue.ts';
import { workloadIdentity } from '../../../../ca/issuance/identity.ts';
import { movableClock, newContainerId, newKey, startCa, temporaryFolder, type TestCa } from '../../../support/ca.ts';
import { testDomain } from '../../../support/domain.ts';
import { createPki, pem } from '../../../support/pki.ts';

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';

/** The purposes of every kind of leaf. */
const LEAVES: Readonly<Record<string, readonly string[]>> = {
	workload: [SERVER_AUTH, CLIENT_AUTH],
	client: [CLIENT_AUTH],
	node: [CLIENT_AUTH],
	operator: [CLIENT_AUTH],
	server: [SERVER_AUTH],
};

/** where the certificates of this CA point */
const URL = 'http://ca.example.com:33005';

const cleanups: Array<() => unknown> = [];
test.after.always(async () => {
	for (const clean of cleanups) await clean();
});

let ca: TestCa;
/** DER of what was issued, by kind. */
const issued: Record<string, Buffer> = {};
/** the CA's revocation lists, PEM: of the intermediate, of the root */
let lists: string;

test.before(async () => {
	ca = await startCa({ teardown: (clean) => void cleanups.push(clean) }, { config: { publicHttp: { url: URL } } });
	const node = await ca.join('host1');
	const operator = await ca.join('alice', [], 'operator');
	const enrol = async (profile: string) => {
		const authorization = { commonName: 'api01', organizationalUnit: 'web', dnsNames: profile === 'client' ? [] : ['api.example.com'], image: 'test:1', containerId: newContainerId(), profile };
		const { id } = (await ca.request('POST', '/v1/authorize', { credentials: node, body: authorization })).json<{ id: string }>();
		return (await ca.sign(await ca.mint(node, id), newKey())).text;
	};
	const chain = await enrol('workload');
	const [workload, intermediate] = decodePem('CERTIFICATE', chain)!;
	const first = (text: string) => decodePem('CERTIFICATE', text)![0]!;
	Object.assign(issued, {
		root: first(ca.bundle.toString()), intermediate, workload, client: first(await enrol('client')), node: first(node.cert), operator: first(operator.cert),
		server: await serverCertificate(), ocsp: await responderCertificate(workload!, intermediate!),
	});
	lists = (await ca.request('GET', '/v1/crl.pem')).text;
});

function serverCertificate(): Promise<Buffer> {
	return new Promise((resolve, reject) => {
		const socket = connect({ host: '127.0.0.1', port: ca.port, ca: ca.bundle, servername: CA_SERVER_NAME }, () => {
			resolve(socket.getPeerCertificate().raw);
			socket.destroy();
		});
		socket.once('error', reject);
	});
}

/** The certificate that comes with an OCSP answer (RFC 6960 §4.2.1). */
async function responderCertificate(leaf: Buffer, issuer: Buffer): Promise<Buffer> {
	const { subject, publicKey } = decodeCertificate(issuer);
	const { der } = certificateId(decodeCertificate(leaf).serial, { name: subject, publicKey });
	const request = [Tag.sequence, Tag.sequence, Tag.sequence, Tag.sequence].reduce((inner: Buffer, tag) => encode(tag, inner), der);
	const { body } = await ca.request('POST', '/v1/ocsp', { headers: { 'content-type': 'application/ocsp-request' }, body: request });
	const response = DerReader.sequence(body);
	response.next(Tag.enumerated);
	const bytes = response.constructed(contextTag(0)).sequence();
	bytes.oid();
	const basic = DerReader.sequence(bytes.next(Tag.octetString));
	for (let skip = 0; skip < 3; skip++) basic.raw();
	return basic.constructed(contextTag(0)).sequence().raw(Tag.sequence);
}

const KINDS = ['root', 'intermediate', 'ocsp', ...Object.keys(LEAVES)];
const issuerOf = (kind: string): Buffer => issued[kind === 'root' || kind === 'intermediate' ? 'root' : 'intermediate']!;

for (const kind of KINDS) {
	test(`${kind}: version 3; a serial number of 16 octets, positive, that begins with 40 to 7f`, (t) => {
		const text = asn1(issued[kind]!);
		t.regex(text, /^\s+\d+:d=2 .*cont \[ 0 \]\s*\n.*prim: INTEGER\s+:02$/m);
		t.regex(text, /\n.*d=2 .*prim: INTEGER\s+:[4-7][0-9A-F]{31}\n/);
	});

	test(`${kind}: the name of the issuer is the subject of the CA, byte by byte`, (t) => {
		t.deepEqual(decodeCertificate(issued[kind]!).issuer, decodeCertificate(issuerOf(kind)).subject);
	});

	test(`${kind}: ecdsa-with-SHA256 has no parameters, inside and outside`, (t) => {
		const hex = issued[kind]!.toString('hex');
		t.is(hex.split('300a06082a8648ce3d040302').length, 3);
	});

	test(`${kind}: defaults are not encoded`, (t) => {
		t.false(issued[kind]!.includes(Buffer.from('010100', 'hex')), 'a BOOLEAN that is FALSE');
		if (!['root', 'intermediate'].includes(kind)) t.is(valueOf(kind, OID.basicConstraints), '3000');
	});

	test(`${kind}: subject and authority key identifiers, not critical, the key id only`, (t) => {
		const { extensions } = decodeCertificate(issued[kind]!);
		const subjectKey = extensions.get(OID.subjectKeyIdentifier)!;
		t.false(subjectKey.critical);
		t.regex(subjectKey.value.toString('hex'), /^0414[0-9a-f]{40}$/);
		const authorityKey = extensions.get(OID.authorityKeyIdentifier);
		if (kind === 'root') return t.is(authorityKey, undefined);
		const issuerKeyId = decodeCertificate(issuerOf(kind)).extensions.get(OID.subjectKeyIdentifier)!.value.subarray(2).toString('hex');
		t.false(authorityKey!.critical);
		t.is(authorityKey!.value.toString('hex'), `30168014${issuerKeyId}`);
	});

	test(`${kind}: UTCTime, whole seconds, Z`, (t) => {
		t.is(asn1(issued[kind]!).match(/prim: UTCTIME\s+:\d{12}Z\n/g)?.length, 2);
	});
}

test('instants are UTCTime through 2049 and GeneralizedTime after, without fractions', async (t) => {
	const clock = movableClock(new Date('2049-12-31T23:59:30.750Z'));
	const issuer = { ...createPki().issuer, notAfter: new Date('2060-01-01T00:00:00Z') };
	const state = { active: { generation: 1, issuer } } as TrustState;
	const issue = createIssue({ authorities: { current: () => state }, clock, random: randomBytes, backdateSeconds: 0 });
	const key = decodeCertificate(issued['workload']!).publicKey;
	const identity = workloadIdentity({ commonName: 'api01', organizationalUnit: 'web', dnsNames: [] }, testDomain('example.org', 'test'));
	const { der } = await issue({ identity, key: { publicKey: key, publicKeyHash: Buffer.alloc(32) }, lifetimeSeconds: 60, origin: {} });
	t.regex(asn1(der), /UTCTIME\s+:491231235930Z\n.*GENERALIZEDTIME\s+:20500101000030Z\n/);
});

test('an RSA key has NULL as parameters, and is for signatures only', (t) => {
	const csr = execFileSync('openssl', ['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', '/dev/null', '-subj', '/'], { stdio: ['ignore', 'pipe', 'ignore'] });
	return withToken(async (token) => {
		const { text } = await ca.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body: csr });
		const leaf = decodePem('CERTIFICATE', text)![0]!;
		t.true(leaf.includes(Buffer.from('300d06092a864886f70d0101010500', 'hex')));
		t.is(new LibraryCertificate(leaf).getExtension(KeyUsagesExtension)?.usages, KeyUsageFlags.digitalSignature);
		t.is(verify(text), 'leaf: OK\n');
	});
});

test('serial numbers are random in at least 64 bits, and none comes twice', (t) => {
	const serials = Array.from({ length: 500 }, () => createSerial(randomBytes));
	t.is(new Set(serials).size, 500);
	for (let digit = 2; digit < 32; digit++) t.true(new Set(serials.map((serial) => serial[digit])).size > 8, `digit ${digit}`);
});

test('root: a CA without a limit, for certificates and lists, with a key id and nothing else', (t) => {
	const certificate = new LibraryCertificate(issued['root']!);
	t.like(certificate.getExtension(BasicConstraintsExtension), { ca: true, critical: true, pathLength: undefined });
	t.like(certificate.getExtension(KeyUsagesExtension), { critical: true, usages: KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign });
	t.is(certificate.extensions.length, 3);
});

test('intermediate: a CA of leaves only, for certificates and lists', (t) => {
	const certificate = new LibraryCertificate(issued['intermediate']!);
	t.like(certificate.getExtension(BasicConstraintsExtension), { ca: true, critical: true, pathLength: 0 });
	t.like(certificate.getExtension(KeyUsagesExtension), { critical: true, usages: KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign });
});

test('intermediate: its purposes include those of every leaf, and not OCSP signing', (t) => {
	const usages = new LibraryCertificate(issued['intermediate']!).getExtension(ExtendedKeyUsageExtension)!.usages;
	for (const purposes of Object.values(LEAVES)) for (const purpose of purposes) t.true(usages.includes(purpose));
	t.false(usages.includes(OCSP_SIGNING));
});

test('intermediate: name constraints are critical and exclude every address', (t) => {
	const { critical, value } = decodeCertificate(issued['intermediate']!).extensions.get(OID.nameConstraints)!;
	t.true(critical);
	t.is(value.toString('hex'), `3032a130300a8708${'00'.repeat(8)}30228720${'00'.repeat(32)}`);
});

test('intermediate: constraints of DNS names, and of URIs without a leading dot, are there when asked for', (t) => {
	const { intermediate } = createPki({ constraints: { dnsDomains: ['svc.test'], uriHost: 'example.org' } });
	const text = openssl(['x509', '-inform', 'DER', '-noout', '-ext', 'nameConstraints'], intermediate);
	t.regex(text, /critical\s+Permitted:\s+DNS:svc\.test\s+URI:example\.org\s+Excluded:\s+IP:0\.0\.0\.0\/0\.0\.0\.0\s+IP:0:0:/);
});

for (const [kind, purposes] of Object.entries({ ...LEAVES, ocsp: [OCSP_SIGNING] })) {
	test(`${kind}: no CA, for digital signatures only, for its purposes only`, (t) => {
		const certificate = new LibraryCertificate(issued[kind]!);
		t.like(certificate.getExtension(BasicConstraintsExtension), { ca: false, critical: true, pathLength: undefined });
		t.like(certificate.getExtension(KeyUsagesExtension), { critical: true, usages: KeyUsageFlags.digitalSignature });
		t.deepEqual([...certificate.getExtension(ExtendedKeyUsageExtension)!.usages], [...purposes]);
	});

	test(`${kind}: it lives within the life of its issuer`, (t) => {
		const [own, issuer] = [decodeCertificate(issued[kind]!), decodeCertificate(issuerOf(kind))];
		t.true(own.notBefore >= issuer.notBefore && own.notAfter <= issuer.notAfter);
	});
}

for (const kind of Object.keys(LEAVES)) {
	test(`${kind}: the subject is not empty, so the alternative names are not critical; exactly one of them is a URI, a SPIFFE ID with a path`, (t) => {
		const certificate = decodeCertificate(issued[kind]!);
		t.true(certificate.subject.length > 2);
		t.false(certificate.extensions.get(OID.subjectAlternativeName)!.critical);
		const uris = new X509Certificate(issued[kind]!).subjectAltName!.split(', ').filter((name) => name.startsWith('URI:'));
		t.is(uris.length, 1);
		t.regex(uris[0]!, /^URI:spiffe:\/\/birthmark\.internal\/[A-Za-z0-9._/-]*[A-Za-z0-9._-]$/);
	});

	test(`${kind}: a CN repeats a DNS name where there are any; no address, wildcard, underscore or trailing dot`, (t) => {
		const { subject, subjectAltName } = new X509Certificate(issued[kind]!);
		const commonName = /CN=(.*)/.exec(subject)![1]!;
		const dnsNames = subjectAltName!.split(', ').filter((name) => name.startsWith('DNS:')).map((name) => name.slice(4));
		t.is(dnsNames.length > 0, kind === 'workload' || kind === 'server');
		t.true(dnsNames.length === 0 || dnsNames.includes(commonName));
		t.false(/\*|_|\.(?=, |$)|IP Address/.test(subjectAltName!));
	});
}

for (const kind of Object.keys(LEAVES)) {
	test(`${kind}: its revocation list, OCSP and its issuer's certificate are at http addresses, not critical`, (t) => {
		for (const oid of [OID.crlDistributionPoints, OID.authorityInformationAccess]) t.false(decodeCertificate(issued[kind]!).extensions.get(oid)!.critical);
		t.is(distributionPoint(issued[kind]!), `${URL}/v1/crl/1`);
		t.is(new X509Certificate(issued[kind]!).infoAccess, `OCSP - URI:${URL}/v1/ocsp\nCA Issuers - URI:${URL}/v1/issuers/1`);
	});
}

test("intermediate: its revocation list and its issuer's certificate are at http addresses", (t) => {
	t.is(distributionPoint(issued['intermediate']!), `${URL}/v1/issuers/1/crl`);
	t.is(new X509Certificate(issued['intermediate']!).infoAccess, `CA Issuers - URI:${URL}/v1/issuers/1/root`);
});

test('OCSP signer: it is issued by the CA that it answers for, and lives a day', (t) => {
	const certificate = new X509Certificate(issued['ocsp']!);
	t.true(certificate.verify(new X509Certificate(issued['intermediate']!).publicKey));
	t.true(certificate.validToDate.getTime() - Date.now() <= 86_400_000);
});

test('OCSP signer: it says that nobody need ask about it, and has no name that a peer could have', (t) => {
	t.is(valueOf('ocsp', OID.ocspNoCheck), '0500');
	t.is(new X509Certificate(issued['ocsp']!).subjectAltName, undefined);
});

test('openssl verify -x509_strict accepts every chain with the lists of the CA', (t) => {
	for (const [kind, purposes] of Object.entries(LEAVES)) {
		for (const purpose of purposes) {
			t.is(verify(pem(issued[kind]!, issued['intermediate']!), lists, purpose === SERVER_AUTH ? 'sslserver' : 'sslclient'), 'leaf: OK\n', kind);
		}
	}
	t.regex(verify(pem(issued['client']!, issued['intermediate']!), lists, 'sslserver'), /unsuitable certificate purpose/);
});

for (const [index, name] of ['intermediate', 'root'].entries()) {
	test(`revocation list of the ${name}: version 2, with a number, the key id of the issuer and the time of the next`, (t) => {
		const text = openssl(['crl', '-inform', 'DER', '-noout', '-text'], decodePem('X509 CRL', lists)![index]!);
		t.regex(text, /Version 2 \(0x1\)/);
		t.regex(text, /Next Update: \w{3} .* GMT/);
		t.regex(text, /X509v3 CRL Number:\s+\d+/);
		const keyId = valueOf(name, OID.subjectKeyIdentifier)!.slice(4).toUpperCase().match(/../g)!.join(':');
		t.regex(text, new RegExp(`Authority Key Identifier:\\s+${keyId}`));
		t.notRegex(text, /Issuing Distribution Point/);
		t.regex(text, /No Revoked Certificates/);
	});
}

test('partitioned revocation list: the partition is named, critical', async (t) => {
	const { body } = await ca.request('GET', '/v1/crl/1');
	t.regex(openssl(['crl', '-inform', 'DER', '-noout', '-text'], body), /Issuing Distribution Point: critical\s+Full Name:\s+URI:http:\/\/ca\.example\.com:33005\/v1\/crl\/1\n/);
});

/** @param chain PEM, leaf first */
function verify(chain: string, lists?: string, purpose?: string): string {
	const folder = temporaryFolder({ teardown: (clean) => void cleanups.push(clean) });
	const file = (name: string, text: string) => {
		writeFileSync(join(folder, name), text);
		return join(folder, name);
	};
	const [leaf, ...others] = decodePem('CERTIFICATE', chain)!;
	const options = ['-CAfile', file('root', ca.bundle.toString()), '-untrusted', file('others', pem(...others))];
	if (lists !== undefined) options.push('-crl_check_all', '-CRLfile', file('lists', lists));
	if (purpose !== undefined) options.push('-purpose', purpose);
	const { stdout, stderr } = spawnSync('openssl', ['verify', '-x509_strict', '-no-CApath', '-no-CAstore', ...options, file('leaf', pem(leaf!))], { encoding: 'utf8' });
	return (stdout + stderr).replaceAll(join(folder, 'leaf'), 'leaf');
}

async function withToken(use: (token: string) => Promise<void>): Promise<void> {
	const node = await ca.join('host2');
	const { id } = await ca.authorize(node, { commonName: 'rsa01' });
	await use(await ca.mint(node, id));
}

function openssl(args: readonly string[], input: Buffer): string {
	return execFileSync('openssl', args, { input, encoding: 'utf8' });
}

function asn1(der: Buffer): string {
	return openssl(['asn1parse', '-inform', 'DER'], der);
}

function distributionPoint(der: Buffer): string | undefined {
	return /URI:(\S+)/.exec(openssl(['x509', '-inform', 'DER', '-noout', '-ext', 'crlDistributionPoints'], der))?.[1];
}

/** extnValue, hexadecimal. */
function valueOf(kind: string, oid: string): string | undefined {
	return decodeCertificate(issued[kind]!).extensions.get(oid)?.value.toString('hex');
}

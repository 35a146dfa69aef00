/** Certificates of random names, keys and dates, as three readers see them that share no code: OpenSSL, @peculiar/x509 and our own. */

import 'reflect-metadata';
import {
	AuthorityKeyIdentifierExtension, BasicConstraintsExtension, ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension,
	SubjectAlternativeNameExtension, SubjectKeyIdentifierExtension, X509Certificate as LibraryCertificate,
} from '@peculiar/x509';
import test from 'ava';
import { deepEqual, equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { decodeCertificate } from '#common/x509/certificate-decode.ts';
import { encodeTbs, issuerOf, signCertificate, signSelf, type ToBeSigned } from '#common/x509/certificate.ts';
import { encodeOid } from '#common/x509/der.ts';
import { DerError, DerReader } from '#common/x509/der-reader.ts';
import { attributesOf, readAttributes, type Subject } from '#common/x509/distinguished-name.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { lintLeaf, type LeafIntent } from '#common/x509/lint.ts';
import { parseOcspRequest } from '#common/x509/ocsp-request.ts';
import { leafExtensions } from '#common/x509/profile.ts';
import { keyIdentifier } from '#common/x509/public-key.ts';
import { createSerial } from '#common/x509/serial.ts';
import { mutated } from '../../../support/mutation.ts';
import { unlinted } from '../../../support/pki.ts';
import { holds } from '../../../support/property.ts';

const KEYS = [
	generateKeyPairSync('ec', { namedCurve: 'P-256' }),
	generateKeyPairSync('ec', { namedCurve: 'P-384' }),
	generateKeyPairSync('ed25519'),
	generateKeyPairSync('rsa', { modulusLength: 2048 }),
].map(({ publicKey }) => publicKey.export({ format: 'der', type: 'spki' }));

const caKey = generateSigningKey();
const root = signSelf({
	serial: createSerial(randomBytes),
	subject: { commonName: 'Root', organization: 'Test' },
	publicKey: caKey.publicKey,
	notBefore: new Date('1990-01-01T00:00:00Z'),
	notAfter: new Date('2150-01-01T00:00:00Z'),
}, caKey);
const issuer = issuerOf(root, caKey);

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?$/);
const dnsName = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
const segment = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?$/);
const second = (from: string, to: string) => fc.date({ min: new Date(from), max: new Date(to), noInvalidDate: true }).map((date) => new Date(Math.floor(date.getTime() / 1000) * 1000));
const url = dnsName.map((host) => `http://${host}/crl`);

const leaf: fc.Arbitrary<LeafIntent> = fc.record({
	serial: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => createSerial(() => bytes)),
	names: fc.uniqueArray(dnsName, { minLength: 1, maxLength: 5 }),
	segments: fc.array(segment, { minLength: 1, maxLength: 4 }),
	unit: fc.option(segment, { nil: undefined }),
	organization: segment,
	publicKey: fc.constantFrom(...KEYS),
	notBefore: second('1991-01-01', '2060-01-01'),
	notAfter: second('2060-01-02', '2149-01-01'),
	purposes: fc.constantFrom(['serverAuth'] as const, ['clientAuth'] as const, ['serverAuth', 'clientAuth'] as const),
	crl: fc.option(url, { nil: undefined }),
	ocsp: fc.option(url, { nil: undefined }),
	caIssuers: fc.option(url, { nil: undefined }),
}).map(({ serial, names, segments, unit, organization, publicKey, notBefore, notAfter, purposes, ...urls }) => ({
	tbs: { serial, subject: { commonName: names[0]!, ...(unit !== undefined && { organizationalUnit: unit }), organization }, publicKey, notBefore, notAfter },
	names: { dnsNames: names, spiffeId: `spiffe://example.org/${segments.join('/')}` },
	purposes,
	pointers: Object.fromEntries(Object.entries(urls).filter(([, value]) => value !== undefined)),
}));

function toBeSigned({ tbs, names, purposes, pointers }: LeafIntent): ToBeSigned {
	return { ...tbs, extensions: leafExtensions(tbs.publicKey, issuer.keyId, names, purposes, pointers) };
}

function opensslSubject({ organization, organizationalUnit, commonName }: Subject): string {
	return [`O=${organization}`, ...(organizationalUnit === undefined ? [] : [`OU=${organizationalUnit}`]), `CN=${commonName}`].join('\n');
}

test('OpenSSL sees what was meant, and that the issuer signed it', (t) => {
	holds(t, 60, fc.property(leaf, (meant) => {
		const certificate = new X509Certificate(signCertificate(toBeSigned(meant), issuer, unlinted));
		const { tbs, names, pointers = {} } = meant;
		equal(certificate.serialNumber.toLowerCase(), tbs.serial);
		equal(certificate.subject, opensslSubject(tbs.subject));
		equal(certificate.issuer, 'O=Test\nCN=Root');
		deepEqual([certificate.validFromDate, certificate.validToDate], [tbs.notBefore, tbs.notAfter]);
		equal(certificate.subjectAltName, [...names.dnsNames.map((name) => `DNS:${name}`), `URI:${names.spiffeId}`].join(', '));
		deepEqual(certificate.publicKey.export({ format: 'der', type: 'spki' }), tbs.publicKey);
		equal(certificate.ca, false);
		const access = [...(pointers.ocsp ? [`OCSP - URI:${pointers.ocsp}`] : []), ...(pointers.caIssuers ? [`CA Issuers - URI:${pointers.caIssuers}`] : [])];
		equal(certificate.infoAccess ?? '', access.join('\n'));
		ok(certificate.checkIssued(new X509Certificate(root)) && certificate.verify(new X509Certificate(root).publicKey));
	}));
});

test('@peculiar/x509 sees what was meant', (t) => {
	holds(t, 60, fc.property(leaf, (meant) => {
		const certificate = new LibraryCertificate(signCertificate(toBeSigned(meant), issuer, unlinted));
		const { tbs, names, purposes, pointers = {} } = meant;
		equal(certificate.serialNumber, tbs.serial);
		deepEqual(certificate.subjectName.getField('CN'), [tbs.subject.commonName]);
		deepEqual(certificate.subjectName.getField('O'), [tbs.subject.organization]);
		deepEqual(certificate.subjectName.getField('OU'), tbs.subject.organizationalUnit === undefined ? [] : [tbs.subject.organizationalUnit]);
		deepEqual([certificate.notBefore, certificate.notAfter], [tbs.notBefore, tbs.notAfter]);
		deepEqual(Buffer.from(certificate.publicKey.rawData), tbs.publicKey);
		equal(certificate.getExtension(BasicConstraintsExtension)?.ca, false);
		equal(certificate.getExtension(KeyUsagesExtension)?.usages, KeyUsageFlags.digitalSignature);
		equal(certificate.getExtension(ExtendedKeyUsageExtension)?.usages.length, purposes.length);
		const seen = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items.map(({ value }) => value);
		deepEqual(seen, [...names.dnsNames, names.spiffeId]);
		equal(certificate.getExtension(SubjectKeyIdentifierExtension)?.keyId, keyIdentifier(tbs.publicKey).toString('hex'));
		equal(certificate.getExtension(AuthorityKeyIdentifierExtension)?.keyId, issuer.keyId.toString('hex'));
		equal(certificate.extensions.length, 6 + (pointers.crl ? 1 : 0) + (pointers.ocsp || pointers.caIssuers ? 1 : 0));
	}));
});

test('our own reader sees what was meant, and the lint is content', (t) => {
	holds(t, 100, fc.property(leaf, (meant) => {
		lintLeaf(encodeTbs(toBeSigned(meant), issuer.name), meant, issuer);
		const { subject, notBefore, notAfter, serial, publicKey, issuer: name } = decodeCertificate(signCertificate(toBeSigned(meant), issuer, unlinted));
		deepEqual(readAttributes(DerReader.sequence(subject)), attributesOf(meant.tbs.subject));
		deepEqual({ notBefore, notAfter, serial, publicKey, subject: meant.tbs.subject }, meant.tbs);
		deepEqual(name, issuer.name);
	}));
});

test('no change to what is to be signed escapes the lint', (t) => {
	const meant = fc.sample(leaf, { numRuns: 1, seed: 7 })[0]!;
	const original = encodeTbs(toBeSigned(meant), issuer.name);
	holds(t, 2000, fc.property(mutated(original), (bytes) => {
		let fault: unknown;
		try {
			lintLeaf(bytes, meant, issuer);
		} catch (error) {
			fault = error;
		}
		equal((fault as { code?: string } | undefined)?.code, bytes.equals(original) ? undefined : 'internal');
	}));
});

test('a certificate that is not exactly one is refused as bad DER, whatever it is', (t) => {
	holds(t, 500, fc.property(fc.oneof(mutated(root), fc.uint8Array({ maxLength: 200 })), (bytes) => {
		try {
			decodeCertificate(bytes);
		} catch (error) {
			ok(error instanceof DerError, String(error));
		}
	}));
});

test('bytes that are no OCSP request are malformed, not an error', (t) => {
	holds(t, 500, fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
		equal(parseOcspRequest(bytes), undefined);
	}));
});

test('an OBJECT IDENTIFIER that was written is read back', (t) => {
	const arcs = fc.array(fc.integer({ min: 0, max: 2 ** 31 }), { minLength: 1, maxLength: 8 });
	holds(t, 300, fc.property(fc.constantFrom('0.9', '1.2', '1.39', '2.5', '2.999'), arcs, (start, rest) => {
		const dotted = [start, ...rest].join('.');
		equal(new DerReader(encodeOid(dotted)).oid(), dotted);
	}));
});

/** No root, cross-certificate or intermediate is signed that breaks the profile. */

import test from 'ava';
import { equal } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { encodeTbs, issuerOf, signCertificate, signCross, signIntermediate, signSelf } from '#common/x509/certificate.ts';
import { decodeCertificate } from '#common/x509/certificate-decode.ts';
import { encodeSubject } from '#common/x509/distinguished-name.ts';
import { authorityKeyIdentifier, basicConstraints, extendedKeyUsage, extension, keyUsage, nameConstraints, OID, type Extension } from '#common/x509/extensions.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { lintAuthority, type AuthorityIntent } from '#common/x509/lint-authority.ts';
import { crossExtensions, intermediateExtensions, rootExtensions } from '#common/x509/profile.ts';
import { createSerial } from '#common/x509/serial.ts';
import { mutated } from '../../../support/mutation.ts';
import { unlinted } from '../../../support/pki.ts';
import { holds } from '../../../support/property.ts';

const notBefore = new Date('2030-01-01T00:00:00Z');
const notAfter = new Date('2035-01-01T00:00:00Z');
const names = { commonName: 'Some CA', organization: 'example.org' };
const rootKey = generateSigningKey();
const issuer = issuerOf(signSelf({ serial: createSerial(randomBytes), subject: names, publicKey: rootKey.publicKey, notBefore, notAfter: new Date('2050-01-01T00:00:00Z') }, rootKey), rootKey);

const { publicKey } = generateSigningKey();
const subject = encodeSubject(names);
const constraints = { dnsDomains: ['svc.test', 'birthmark-ca'], uriHost: 'example.org' };
const pointers = { crl: 'http://ca.test/v1/issuers/1/crl', caIssuers: 'http://ca.test/v1/issuers/1/root' };
const tbs = { serial: createSerial(randomBytes), publicKey, notBefore, notAfter };

const KINDS: Readonly<Record<AuthorityIntent['kind'], readonly [AuthorityIntent, Extension[], by?: typeof issuer]>> = {
	root: [{ kind: 'root', tbs, subject }, rootExtensions(publicKey)],
	cross: [{ kind: 'cross', tbs, subject, pointers }, crossExtensions(publicKey, issuer.keyId, pointers), issuer],
	intermediate: [{ kind: 'intermediate', tbs, subject, constraints, pointers }, intermediateExtensions(publicKey, issuer.keyId, { constraints, pointers }), issuer],
};

for (const [kind, [intent, extensions, by]] of Object.entries(KINDS)) {
	const der = encodeTbs({ ...tbs, subject: names, extensions }, by?.name ?? subject);

	test(`${kind}: what was meant passes, and no change to it escapes`, (t) => {
		lintAuthority(der, intent, by);
		holds(t, 1000, fc.property(mutated(der), (bytes) => {
			let fault: unknown;
			try {
				lintAuthority(bytes, intent, by);
			} catch (error) {
				fault = error;
			}
			equal((fault as { code?: string } | undefined)?.code, bytes.equals(der) ? undefined : 'internal');
		}));
	});

	test(`${kind}: each of its extensions is needed, and no other is allowed`, (t) => {
		const lint = (changed: readonly Extension[]) => lintAuthority(encodeTbs({ ...tbs, subject: names, extensions: changed }, by?.name ?? subject), intent, by);
		for (const missing of extensions) t.like(t.throws(() => lint(extensions.filter((one) => one !== missing))), { code: 'internal' });
		t.regex(t.throws(() => lint([...extensions, extension('1.2.3.4', undefined, Buffer.from('0500', 'hex'))])).message, /other extensions/);
	});
}

const DEVIATIONS: Readonly<Record<string, readonly [AuthorityIntent['kind'], oid: string, by: Extension, RegExp]>> = {
	'a root that is a leaf': ['root', OID.basicConstraints, basicConstraints('leaf'), /basic constraints/],
	'a root that limits what is under it': ['root', OID.basicConstraints, basicConstraints('ca', 0), /basic constraints/],
	'a root for leaves\' signatures': ['root', OID.keyUsage, keyUsage('digitalSignature'), /key usage/],
	'a cross-certificate with the key id of somebody else': ['cross', OID.authorityKeyIdentifier, authorityKeyIdentifier(Buffer.alloc(20)), /authority key identifier/],
	'an intermediate that may make more of its kind': ['intermediate', OID.basicConstraints, basicConstraints('ca'), /basic constraints/],
	'an intermediate that lets its leaves do less than they are for': ['intermediate', OID.extendedKeyUsage, extendedKeyUsage(['serverAuth']), /extended key usage/],
	'an intermediate for OCSP answers': ['intermediate', OID.extendedKeyUsage, extendedKeyUsage(['serverAuth', 'clientAuth', 'ocspSigning']), /extended key usage/],
	'an intermediate for more names than were meant': ['intermediate', OID.nameConstraints, nameConstraints({ uriHost: 'example.org' }), /name constraints/],
};
for (const [name, [kind, oid, replacement, fault]] of Object.entries(DEVIATIONS)) {
	test(`${name} is refused`, (t) => {
		const [intent, extensions, by] = KINDS[kind];
		const encoded = encodeTbs({ ...tbs, subject: names, extensions }, by?.name ?? subject);
		const before = extensions.find((one) => decodeCertificate(signCertificate({ ...tbs, subject: names, extensions: [one] }, issuer, unlinted)).extensions.has(oid))!;
		const der = encodeTbs({ ...tbs, subject: names, extensions: extensions.map((one) => (one === before ? replacement : one)) }, by?.name ?? subject);
		t.notDeepEqual(der, encoded);
		t.regex(t.throws(() => lintAuthority(der, intent, by)).message, fault);
	});
}

test('a CA certificate that outlives its issuer, or has a name longer than a name may be, is not signed', (t) => {
	const input = { ...tbs, subject: names };
	const late = new Date('2051-01-01T00:00:00Z');
	t.regex(t.throws(() => signIntermediate({ ...input, notAfter: late }, {}, issuer)).message, /outside that of the issuer/);
	const fresh = generateSigningKey();
	const root = signSelf({ ...input, publicKey: fresh.publicKey }, fresh);
	t.regex(t.throws(() => signCross(root, { serial: tbs.serial, notBefore, notAfter: late }, issuer)).message, /outside that of the issuer/);
	t.regex(t.throws(() => signSelf({ ...input, subject: { ...names, organization: 'o'.repeat(65) } }, rootKey)).message, /subject/);
	t.regex(t.throws(() => signIntermediate(input, { pointers: { crl: 'https://ca.test/crl' } }, issuer)).message, /not http/);
	t.notThrows(() => signIntermediate(input, { constraints, pointers }, issuer));
});

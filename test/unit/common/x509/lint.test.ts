/** The lint finds a certificate that is not what was meant, whatever went wrong. */

import test from 'ava';
import { randomBytes } from 'node:crypto';
import { encodeTbs, issuerOf, signSelf, type Issuer } from '#common/x509/certificate.ts';
import { basicConstraints, extension } from '#common/x509/extensions.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { lintLeaf, type LeafIntent } from '#common/x509/lint.ts';
import { leafExtensions } from '#common/x509/profile.ts';
import { createSerial } from '#common/x509/serial.ts';

const start = new Date('2030-01-01T00:00:00Z');
const end = new Date('2030-01-02T00:00:00Z');
const names = { dnsNames: ['api01', 'api.internal'], spiffeId: 'spiffe://birthmark.internal/production/web-api/api01' };

function issuer(): Issuer {
	const key = generateSigningKey();
	const { publicKey } = key;
	const root = signSelf({
		serial: createSerial(randomBytes),
		subject: { commonName: 'Root', organization: 'Test' },
		publicKey,
		notBefore: start,
		notAfter: new Date('2040-01-01T00:00:00Z'),
	}, key);
	return issuerOf(root, key);
}

function intent(): LeafIntent {
	return {
		tbs: {
			serial: createSerial(randomBytes),
			subject: { commonName: 'api01', organizationalUnit: 'web-api', organization: 'production' },
			publicKey: generateSigningKey().publicKey,
			notBefore: start,
			notAfter: end,
		},
		names,
		purposes: ['serverAuth', 'clientAuth'],
	};
}

function extensionsOf({ tbs, names, purposes }: LeafIntent, by: Issuer) {
	return leafExtensions(tbs.publicKey, by.keyId, names, purposes);
}

test('a certificate that is what was meant passes', (t) => {
	const by = issuer();
	const meant = intent();
	const der = encodeTbs({ ...meant.tbs, extensions: extensionsOf(meant, by) }, by.name);
	t.notThrows(() => lintLeaf(der, meant, by));
});

const DEVIATIONS: Readonly<Record<string, readonly [RegExp, (meant: LeafIntent) => LeafIntent]>> = {
	'another subject': [/subject/, (meant) => ({ ...meant, tbs: { ...meant.tbs, subject: { ...meant.tbs.subject, commonName: 'db01' } } })],
	'another serial number': [/serial/, (meant) => ({ ...meant, tbs: { ...meant.tbs, serial: createSerial(randomBytes) } })],
	'another key': [/public key/, (meant) => ({ ...meant, tbs: { ...meant.tbs, publicKey: generateSigningKey().publicKey } })],
	'a longer life': [/validity/, (meant) => ({ ...meant, tbs: { ...meant.tbs, notAfter: new Date('2030-02-01T00:00:00Z') } })],
	'one name fewer': [/alternative names/, (meant) => ({ ...meant, names: { ...names, dnsNames: ['api01'] } })],
	'another SPIFFE ID': [/alternative names/, (meant) => ({ ...meant, names: { ...names, spiffeId: 'spiffe://birthmark.internal/production/web-api/other' } })],
	'other purposes': [/extended key usage/, (meant) => ({ ...meant, purposes: ['clientAuth'] })],
};
for (const [name, [fault, deviate]] of Object.entries(DEVIATIONS)) {
	test(`a certificate with ${name} than meant is refused as internal`, (t) => {
		const by = issuer();
		const meant = intent();
		const der = encodeTbs({ ...meant.tbs, extensions: extensionsOf(meant, by) }, by.name);
		const error = t.throws(() => lintLeaf(der, deviate(meant), by));
		t.like(error, { code: 'internal' });
		t.regex(error.message, fault);
	});
}

test('a leaf that says it is a CA, or says anything more than the profile, is refused', (t) => {
	const by = issuer();
	const meant = intent();
	const [, ...rest] = extensionsOf(meant, by);
	const ca = encodeTbs({ ...meant.tbs, extensions: [basicConstraints('ca', 0), ...rest] }, by.name);
	t.regex(t.throws(() => lintLeaf(ca, meant, by)).message, /basic constraints/);
	const chatty = encodeTbs({ ...meant.tbs, extensions: [...extensionsOf(meant, by), extension('1.2.3.4', undefined, Buffer.from('0500', 'hex'))] }, by.name);
	t.regex(t.throws(() => lintLeaf(chatty, meant, by)).message, /other extensions/);
});

test('a leaf that outlives its issuer is refused', (t) => {
	const by = issuer();
	const meant = intent();
	const long = { ...meant, tbs: { ...meant.tbs, notAfter: new Date('2041-01-01T00:00:00Z') } };
	const der = encodeTbs({ ...long.tbs, extensions: extensionsOf(long, by) }, by.name);
	t.regex(t.throws(() => lintLeaf(der, long, by)).message, /outside that of the issuer/);
});

test('serial numbers are 16 octets, positive, and begin with 40 to 7f', (t) => {
	for (const byte of [0x00, 0x3f, 0x80, 0xff]) {
		t.regex(createSerial((length) => Buffer.alloc(length, byte)), /^[4-7][0-9a-f]{31}$/);
	}
});

/** The lint of a leaf that was meant with these names and has them. */
function lintNames(change: Partial<LeafIntent['names']>, commonName = 'api01'): () => void {
	const [by, { tbs, ...meant }] = [issuer(), intent()];
	const changed = { ...meant, names: { ...names, ...change }, tbs: { ...tbs, subject: { ...tbs.subject, commonName } } };
	const bytes = encodeTbs({ ...changed.tbs, extensions: extensionsOf(changed, by) }, by.name);
	return () => lintLeaf(bytes, changed, by);
}

test('a name outside the constraints of the issuer is refused', (t) => {
	const by = { ...issuer(), constraints: { dnsDomains: ['example.com'] } };
	const meant = intent();
	t.regex(t.throws(() => lintLeaf(encodeTbs({ ...meant.tbs, extensions: extensionsOf(meant, by) }, by.name), meant, by)).message, /names outside the constraints/);
});

test('legal names pass', (t) => {
	t.notThrows(lintNames({}));
});

const ILLEGAL_IDS: Readonly<Record<string, string>> = {
	'no path': 'spiffe://example.org',
	'the root as path': 'spiffe://example.org/',
	'a trailing slash': 'spiffe://example.org/a/',
	'an empty segment': 'spiffe://example.org/a//b',
	'a segment "."': 'spiffe://example.org/./a',
	'a segment ".."': 'spiffe://example.org/a/..',
	'percent-encoding': 'spiffe://example.org/a%20b',
	'a port': 'spiffe://example.org:443/a',
	'user information': 'spiffe://user@example.org/a',
	'a query': 'spiffe://example.org/a?b',
	'a fragment': 'spiffe://example.org/a#b',
	'capitals in the trust domain': 'spiffe://Example.org/a',
	'another scheme': 'https://example.org/a',
	'more than 2048 bytes': `spiffe://example.org/${'a'.repeat(2048)}`,
};
for (const [name, spiffeId] of Object.entries(ILLEGAL_IDS)) {
	test(`a SPIFFE ID with ${name} is refused`, (t) => {
		t.regex(t.throws(lintNames({ spiffeId })).message, /alternative names/);
	});
}

const ILLEGAL_NAMES: Readonly<Record<string, readonly [dnsNames: readonly string[], commonName?: string]>> = {
	'a wildcard': [['*.example.com'], '*.example.com'],
	'an underscore': [['a_b'], 'a_b'],
	'a trailing dot': [['api01.'], 'api01.'],
	'capitals': [['API01'], 'API01'],
	'a label of 64 characters': [['api01', 'a'.repeat(64)]],
	'a CN that is not among the names': [['other']],
};
for (const [name, [dnsNames, commonName]] of Object.entries(ILLEGAL_NAMES)) {
	test(`DNS names with ${name} are refused`, (t) => {
		t.regex(t.throws(lintNames({ dnsNames }, commonName)).message, /alternative names/);
	});
}

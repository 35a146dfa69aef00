/** Certificate signing requests from people we do not trust. */

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import tmp from 'tmp';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { encodeCsr } from '#common/x509/csr-encode.ts';
import { verifyCsr } from '#common/x509/csr.ts';
import { encode, encodeOid, Tag } from '#common/x509/der.ts';
import { DerReader } from '#common/x509/der-reader.ts';
import { decodePem, encodePem } from '#common/x509/pem.ts';

const LABEL = 'CERTIFICATE REQUEST';

/** A request by the `openssl` command over a fresh key. */
function opensslCsr(newKey: readonly string[], more: readonly string[] = []): string {
	const key = tmp.fileSync();
	try {
		execFileSync('openssl', ['genpkey', ...newKey, '-out', key.name], { stdio: 'ignore' });
		return execFileSync('openssl', ['req', '-new', '-key', key.name, '-subj', '/CN=test', ...more], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
	} finally {
		key.removeCallback();
	}
}

function vector(name: string): Buffer {
	return readFileSync(new URL(`../../../vectors/csr/${name}`, import.meta.url));
}

function codeOf(csr: Buffer | string): ErrorCode | 'accepted' {
	try {
		verifyCsr(Buffer.from(csr));
		return 'accepted';
	} catch (error) {
		if (error instanceof BirthmarkError) return error.code;
		throw error;
	}
}

function ourCsr(commonName?: string): string {
	const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	return encodeCsr({ privateKey, publicKey, ...(commonName !== undefined && { commonName }) });
}

function toDer(pem: string): Buffer {
	return decodePem(LABEL, pem)![0]!;
}

test('the Ed25519 key of RFC 8410 is taken out of its request', (t) => {
	const csr = verifyCsr(vector('ed25519.csr'));
	t.is(csr.publicKey.toString('base64'), 'MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=');
	t.is(csr.commonName, 'ed25519');
	t.is(csr.publicKeyHash.length, 32);
});

test('a request that asks for more than a key yields no more than the key, beside itself as it came', (t) => {
	const csr = verifyCsr(vector('ecp256-asks-for-more.csr'));
	t.deepEqual(Object.keys(csr).sort(), ['commonName', 'publicKey', 'publicKeyHash', 'request']);
	t.deepEqual(csr.publicKey, createPublicKey(vector('ecp256.key')).export({ format: 'der', type: 'spki' }));
});

const ACCEPTED: Readonly<Record<string, readonly string[]>> = {
	'EC P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
	'EC P-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
	'Ed25519': ['-algorithm', 'ED25519'],
	'RSA with 2048 bits': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
	'RSA with 3072 bits': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072'],
};
for (const [name, options] of Object.entries(ACCEPTED)) {
	test(`a key of type ${name} is accepted, in PEM and in DER`, (t) => {
		const pem = opensslCsr(options);
		t.is(codeOf(pem), 'accepted');
		t.is(codeOf(toDer(pem)), 'accepted');
	});
}

const REFUSED_KEYS: Readonly<Record<string, readonly [ErrorCode, readonly string[]]>> = {
	'RSA with 1024 bits': ['csr-key-weak', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024']],
	'RSA with exponent 3': ['csr-key-weak', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-pkeyopt', 'rsa_keygen_pubexp:3']],
	'RSA-PSS': ['csr-key-unsupported', ['-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048']],
	'EC P-521': ['csr-key-unsupported', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521']],
	'EC secp256k1': ['csr-key-unsupported', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1']],
	'EC P-256 with explicit parameters': ['csr-key-unsupported', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit']],
	'Ed448': ['csr-key-unsupported', ['-algorithm', 'ED448']],
};
for (const [name, [code, options]] of Object.entries(REFUSED_KEYS)) {
	test(`a key of type ${name} is refused with ${code}`, (t) => {
		t.is(codeOf(opensslCsr(options)), code);
	});
}

test('a request signed with SHA-1 is refused', (t) => {
	t.is(codeOf(opensslCsr(ACCEPTED['RSA with 2048 bits']!, ['-sha1'])), 'csr-signature-invalid');
});

test('a request signed by another key than the one it carries is refused', (t) => {
	const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	t.is(codeOf(encodeCsr({ privateKey, publicKey })), 'csr-signature-invalid');
});

test('the common name is told when there is one', (t) => {
	t.is(verifyCsr(Buffer.from(ourCsr('api01'))).commonName, 'api01');
	t.is(verifyCsr(Buffer.from(ourCsr())).commonName, undefined);
});

test('parameters of a signature algorithm are absent or NULL, and NULL is empty', (t) => {
	const der = toDer(opensslCsr(ACCEPTED['RSA with 2048 bits']!));
	const outer = DerReader.sequence(der);
	const info = outer.raw();
	outer.raw();
	const withParameters = (...parameters: readonly Buffer[]) => encode(Tag.sequence, info, encode(Tag.sequence, encodeOid('1.2.840.113549.1.1.11'), ...parameters), der.subarray(-261));
	t.is(codeOf(withParameters()), 'accepted');
	t.is(codeOf(withParameters(encode(Tag.null))), 'accepted');
	t.is(codeOf(withParameters(encode(Tag.null, Buffer.of(0)))), 'csr-signature-invalid');
	t.is(codeOf(withParameters(encode(Tag.null), encode(Tag.null))), 'csr-signature-invalid');
});

const MALFORMED: Readonly<Record<string, () => string | Buffer>> = {
	'nothing': () => '',
	'text': () => 'this is not a request',
	'two requests': () => ourCsr() + ourCsr(),
	'a request with text after it': () => ourCsr() + 'and more',
	'a request with text before it': () => 'before\n' + ourCsr(),
	'DER with a byte after it': () => Buffer.concat([toDer(ourCsr()), Buffer.of(0)]),
	'DER cut short': () => toDer(ourCsr()).subarray(0, -1),
	'PEM around DER with a byte after it': () => encodePem(LABEL, Buffer.concat([toDer(ourCsr()), Buffer.of(0)])),
	'another PEM label': () => encodePem('CERTIFICATE', toDer(ourCsr())),
	'DER of indefinite length': () => Buffer.concat([Buffer.from('3080', 'hex'), toDer(ourCsr()).subarray(3), Buffer.alloc(2)]),
	'hexadecimal, which the library would read': () => toDer(ourCsr()).toString('hex'),
	'base64, which the library would read': () => toDer(ourCsr()).toString('base64'),
	'another version': () => Buffer.from(toDer(ourCsr()).toString('hex').replace('020100', '020101'), 'hex'),
	'more than 8 KiB': () => ourCsr() + ' '.repeat(8192),
	'a wall of white space': () => `-----BEGIN ${LABEL}-----` + '\n'.repeat(8000),
};
for (const [name, make] of Object.entries(MALFORMED)) {
	test(`${name} is malformed`, (t) => {
		t.is(codeOf(make()), 'csr-malformed');
	});
}

test('the old PEM label of some tools is understood', (t) => {
	t.is(codeOf(encodePem('NEW CERTIFICATE REQUEST', toDer(ourCsr()))), 'accepted');
});

test('hundreds of mutated requests are refused with a code of their own, or accepted only unchanged in what counts', (t) => {
	const original = toDer(ourCsr('api01'));
	const { publicKey } = verifyCsr(original);
	let seed = 1;
	const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
	const seen = new Set<string>();
	for (let round = 0; round < 800; round++) {
		let mutated = Buffer.from(original);
		for (let change = 0; change <= random(3); change++) {
			const at = random(mutated.length);
			const kind = random(4);
			if (kind === 0) mutated[at] = random(256);
			else if (kind === 1) mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(at + 1 + random(8))]);
			else if (kind === 2) mutated = Buffer.concat([mutated.subarray(0, at), Buffer.alloc(random(8), random(256)), mutated.subarray(at)]);
			else mutated[at]! ^= 1 << random(8);
		}
		const code = codeOf(mutated);
		seen.add(code);
		if (code === 'accepted') t.deepEqual(verifyCsr(mutated).publicKey, publicKey);
	}
	t.true(seen.has('csr-malformed') && seen.has('csr-signature-invalid'));
	for (const code of seen) t.true(code === 'accepted' || code.startsWith('csr-'), code);
});

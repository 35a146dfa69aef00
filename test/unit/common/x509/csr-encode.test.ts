import test from 'ava';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import 'reflect-metadata';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { encodeCsr, encodeCsrDer } from '#common/x509/csr-encode.ts';

const p256 = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** Output and messages together: openssl 3.0 reports a bad signature in words, not by its exit code. */
function openssl(args: readonly string[], input: string): string {
	const { stdout, stderr } = spawnSync('openssl', args, { input, encoding: 'utf8' });
	return stdout + stderr;
}

test('openssl verifies the signature and reads back the subject and the key', (t) => {
	const pair = p256();
	const text = openssl(['req', '-verify', '-noout', '-subject', '-pubkey', '-nameopt', 'RFC2253'], encodeCsr({ ...pair, commonName: 'api01' }));
	t.regex(text, /verify OK/);
	t.regex(text, /^subject=CN=api01$/m);
	t.true(text.includes(pair.publicKey.export({ type: 'spki', format: 'pem' }).toString().trim()));
});

test('a request without a name has an empty subject', (t) => {
	const text = openssl(['req', '-verify', '-noout', '-subject'], encodeCsr(p256()));
	t.regex(text, /^subject=\s*$/m);
});

test('a signature by another key is not one that openssl verifies', (t) => {
	const csr = encodeCsr({ privateKey: p256().privateKey, publicKey: p256().publicKey });
	t.regex(openssl(['req', '-verify', '-noout'], csr), /verify failure/);
});

test('the library that the CA reads requests with reads it too', async (t) => {
	const pair = p256();
	const request = new Pkcs10CertificateRequest(encodeCsrDer({ ...pair, commonName: 'w'.repeat(64) }));
	t.is(request.subject, `CN=${'w'.repeat(64)}`);
	t.true(await request.verify());
	t.deepEqual(Buffer.from(request.publicKey.rawData), pair.publicKey.export({ type: 'spki', format: 'der' }));
	t.is(request.attributes.length, 0);
});

test('the PEM form has lines of at most 64 characters and ends with a newline', (t) => {
	const csr = encodeCsr({ ...p256(), commonName: 'api01' });
	t.regex(csr, /^-----BEGIN CERTIFICATE REQUEST-----\n(?:[A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE REQUEST-----\n$/);
});

for (const [what, make] of [
	['an RSA key', () => ({ ...generateKeyPairSync('rsa', { modulusLength: 2048 }) })],
	['a P-384 key', () => ({ ...generateKeyPairSync('ec', { namedCurve: 'P-384' }) })],
	['an empty CN', () => ({ ...p256(), commonName: '' })],
	['a CN of 65 characters', () => ({ ...p256(), commonName: 'x'.repeat(65) })],
] as const) {
	test(`${what} is refused`, (t) => {
		t.throws(() => encodeCsr(make()), { instanceOf: TypeError });
	});
}

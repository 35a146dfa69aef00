import test from 'ava';
import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { encodeKeyStore, encodeTrustStore, newStorePassword } from '../../../agent/pkcs12.ts';
import { pkcs12Key, Purpose } from '../../../agent/pkcs12-kdf.ts';
import { createPki, issueLeaf, leafDefaults } from '../../fakes/ca.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';

const [pki, otherPki] = [await createPki(), await createPki('Other')];
const signingKey = generateSigningKey();
const key = exportSigningKey(signingKey);
const chain = await issueLeaf({ ...leafDefaults('api01', pki, 3600), publicKey: signingKey.publicKey });
const password = newStorePassword();

const openssl = (...args: readonly string[]) => spawnSync('openssl', args, { encoding: 'utf8' });

test('the key derivation is that of OpenSSL', (t) => {
	for (const [text, salt, iterations, purpose] of [['smeg', '0a58cf64530d823f', 1, Purpose.encryption], ['queeg', '16822c0de0d50d4e', 1000, Purpose.integrity], [password.repeat(5), 'ab'.repeat(100), 3, Purpose.integrity]] as const) {
		const unicode = Buffer.from(`${text}\0`, 'utf16le').swap16().toString('hex');
		const { stdout, stderr } = openssl('kdf', '-keylen', '32', '-kdfopt', 'digest:SHA256', '-kdfopt', `hexpass:${unicode}`, '-kdfopt', `hexsalt:${salt}`, '-kdfopt', `iter:${iterations}`, '-kdfopt', `id:${purpose}`, 'PKCS12KDF');
		t.is(pkcs12Key(text, Buffer.from(salt, 'hex'), iterations, purpose).toString('hex'), stdout.trim().replaceAll(':', '').toLowerCase(), stderr);
	}
});

test('OpenSSL reads key and chain from the key store, sees the seal, and refuses another password', (t) => {
	const path = join(tmpfsDirectory(t), 'identity.p12');
	writeFileSync(path, encodeKeyStore(key, chain, password));
	const read = openssl('pkcs12', '-in', path, '-passin', `pass:${password}`, '-noenc');
	t.is(read.status, 0, read.stderr);
	const [leaf, intermediate] = read.stdout.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n/g) ?? [];
	t.is(`${leaf}${intermediate}`, chain);
	t.true(new X509Certificate(leaf!).checkPrivateKey(createPrivateKey(read.stdout)));
	t.regex(openssl('pkcs12', '-in', path, '-passin', `pass:${password}`, '-info', '-noenc').stderr, /MAC: sha256, Iteration 1000/);
	const wrong = openssl('pkcs12', '-in', path, '-passin', 'pass:wrong', '-noenc');
	t.not(wrong.status, 0);
	t.regex(wrong.stderr, /invalid password/i);
});

test('Node makes a TLS context of the key store', (t) => {
	t.notThrows(() => createSecureContext({ pfx: encodeKeyStore(key, chain, password), passphrase: password }));
	t.throws(() => createSecureContext({ pfx: encodeKeyStore(key, chain, password), passphrase: 'wrong' }));
});

test('OpenSSL reads the trust store, and each certificate has the mark without which Java trusts none', (t) => {
	const path = join(tmpfsDirectory(t), 'ca.p12');
	writeFileSync(path, encodeTrustStore(pki.bundle.toString() + otherPki.bundle.toString(), password));
	const { stdout, stderr } = openssl('pkcs12', '-in', path, '-passin', `pass:${password}`, '-nokeys');
	t.is(stdout.match(/BEGIN CERTIFICATE/g)?.length, 2, stderr);
	// By its number, or from 3.2 on by its name.
	t.is(stdout.match(/2\.16\.840\.1\.113894\.746875\.1\.1|Trusted key usage \(Oracle\)/gi)?.length, 2, stdout);
});

const keytool = (...args: readonly string[]) => spawnSync('keytool', args, { encoding: 'utf8' });
const hasJava = keytool('-help').status === 0;

// A Java runtime is larger than everything else that the tests need: read where there is one.
(hasJava ? test : test.skip)('Java reads both stores: a private key with its chain, and certificates that it trusts', (t) => {
	const directory = tmpfsDirectory(t);
	const [identity, ca, file] = ['identity.p12', 'ca.p12', 'password'].map((name) => join(directory, name)) as [string, string, string];
	writeFileSync(identity, encodeKeyStore(key, chain, password));
	writeFileSync(ca, encodeTrustStore(pki.bundle.toString() + otherPki.bundle.toString(), password));
	writeFileSync(file, password);
	const list = (path: string) => keytool('-J-Duser.language=en', '-list', '-v', '-keystore', path, '-storepass:file', file);
	t.regex(list(identity).stdout, /Alias name: identity[^]*Entry type: PrivateKeyEntry[^]*chain length: 2[^]*CN=api01/);
	t.regex(list(ca).stdout, /contains 2 entries[^]*ca1[^]*trustedCertEntry[^]*ca2[^]*trustedCertEntry/);
	// The list does not open the key: a store of Java's own type made from it does.
	const taken = keytool('-importkeystore', '-noprompt', '-srckeystore', identity, '-srcstorepass:file', file, '-destkeystore', join(directory, 'java.p12'), '-deststorepass:file', file);
	t.is(taken.status, 0, taken.stdout);
});

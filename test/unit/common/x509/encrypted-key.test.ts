/** Keys at rest: what is written here OpenSSL reads, and the other way round. */

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { encode, encodeNumber, encodeOid, Tag } from '#common/x509/der.ts';
import { decryptSigningKey, encryptSigningKey, PASSPHRASE_COST, RANDOM_SECRET_COST } from '#common/x509/encrypted-key.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { decodePem, encodePem } from '#common/x509/pem.ts';

const secret = Buffer.from('correct horse battery staple');
const LABEL = 'ENCRYPTED PRIVATE KEY';

function openssl(args: readonly string[], input: string): string {
	return execFileSync('openssl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
}

for (const [name, cost] of Object.entries({ PASSPHRASE_COST, RANDOM_SECRET_COST })) {
	test(`a key encrypted with ${name} comes back, also through OpenSSL and node:crypto`, async (t) => {
		const key = generateSigningKey();
		const pem = await encryptSigningKey(key, secret, cost);
		t.true((await decryptSigningKey(pem, secret)).privateKey.equals(key.privateKey));
		t.true(createPrivateKey({ key: pem, passphrase: secret }).equals(key.privateKey));
		t.is(openssl(['pkcs8', '-passin', `pass:${secret.toString()}`], pem), exportSigningKey(key));
	});
}

test('a key encrypted by OpenSSL with scrypt is read', async (t) => {
	const key = generateSigningKey();
	const pem = openssl(['pkcs8', '-topk8', '-scrypt', '-v2', 'aes-256-cbc', '-passout', `pass:${secret.toString()}`], exportSigningKey(key));
	t.true((await decryptSigningKey(pem, secret)).privateKey.equals(key.privateKey));
});

test('the same key is never encrypted to the same bytes', async (t) => {
	const key = generateSigningKey();
	t.not(await encryptSigningKey(key, secret, RANDOM_SECRET_COST), await encryptSigningKey(key, secret, RANDOM_SECRET_COST));
});

test('another secret is refused, and the message says nothing of either', async (t) => {
	const pem = await encryptSigningKey(generateSigningKey(), secret, RANDOM_SECRET_COST);
	// One wrong secret in 256 yields padding that looks right: enough of them to meet such a one now and then.
	for (let attempt = 0; attempt < 8; attempt++) {
		const error = await t.throwsAsync(decryptSigningKey(pem, Buffer.from(`wrong ${attempt}`)));
		t.like(error, { code: 'config-invalid' });
		t.notRegex(error.message, /horse|wrong/);
	}
});

test('a key that is not encrypted, or not in the one way, is refused', async (t) => {
	const key = generateSigningKey();
	const pbkdf2 = openssl(['pkcs8', '-topk8', '-passout', 'pass:x'], exportSigningKey(key));
	const aes128 = openssl(['pkcs8', '-topk8', '-scrypt', '-v2', 'aes-128-cbc', '-passout', 'pass:x'], exportSigningKey(key));
	for (const pem of [exportSigningKey(key), pbkdf2, aes128, '', 'nonsense']) {
		t.like(await t.throwsAsync(decryptSigningKey(pem, Buffer.from('x'))), { code: 'config-invalid' });
	}
});

test('a file that asks for too much work, or for impossible parameters, is refused before any is done', async (t) => {
	const key = (...parameters: readonly number[]): string => {
		const numbers = parameters.map(encodeNumber);
		const scrypt = encode(Tag.sequence, encodeOid('1.3.6.1.4.1.11591.4.11'), encode(Tag.sequence, encode(Tag.octetString, Buffer.alloc(16)), ...numbers));
		const cipher = encode(Tag.sequence, encodeOid('2.16.840.1.101.3.4.1.42'), encode(Tag.octetString, Buffer.alloc(16)));
		const algorithm = encode(Tag.sequence, encodeOid('1.2.840.113549.1.5.13'), encode(Tag.sequence, scrypt, cipher));
		return encodePem(LABEL, encode(Tag.sequence, algorithm, encode(Tag.octetString, Buffer.alloc(32))));
	};
	for (const parameters of [[2 ** 15, 8, 1], [2 ** 31, 8, 1], [2 ** 14, 8, 17], [1000, 8, 1], [1, 8, 1], [0, 8, 1], [2 ** 14, 0, 1], [2 ** 14, 8, 0], [2, 100_000, 16], [2, 131_071, 1], [2 ** 17, 1, 1]] as const) {
		t.regex((await t.throwsAsync(decryptSigningKey(key(...parameters), secret))).message, /not PKCS#8 encrypted with scrypt/, parameters.join());
	}
	t.regex((await t.throwsAsync(decryptSigningKey(key(2 ** 14, 8, 1), secret))).message, /cannot be decrypted/);
});

test('a key that is cut off or has something after it is refused', async (t) => {
	const pem = await encryptSigningKey(generateSigningKey(), secret, RANDOM_SECRET_COST);
	const der = decodePem(LABEL, pem)![0]!;
	for (const bytes of [der.subarray(0, -1), Buffer.concat([der, Buffer.of(0)])]) {
		t.like(await t.throwsAsync(decryptSigningKey(encodePem(LABEL, bytes), secret)), { code: 'config-invalid' });
	}
	t.like(await t.throwsAsync(decryptSigningKey(pem + pem, secret)), { code: 'config-invalid' });
});

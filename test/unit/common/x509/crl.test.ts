/** Revocation lists as OpenSSL reads them. */

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { issuerOf, signSelf } from '#common/x509/certificate.ts';
import { signRevocationList, type RevokedCertificate } from '#common/x509/crl.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { createSerial } from '#common/x509/serial.ts';

const thisUpdate = new Date('2030-01-02T03:04:05Z');
const nextUpdate = new Date('2060-01-02T03:04:05Z');

async function openssl(number: number, entries: readonly RevokedCertificate[]): Promise<string> {
	const key = generateSigningKey();
	const { publicKey } = key;
	const root = await signSelf({
		serial: createSerial(randomBytes),
		subject: { commonName: 'Root', organization: 'Test' },
		publicKey,
		notBefore: thisUpdate,
		notAfter: nextUpdate,
	}, key);
	const der = signRevocationList({ number, thisUpdate, nextUpdate, entries }, issuerOf(root, key));
	return execFileSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], { input: der, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 });
}

test('a list with nothing revoked leaves the list of revoked certificates out', async (t) => {
	const text = await openssl(1, []);
	t.regex(text, /Version 2/);
	t.regex(text, /No Revoked Certificates/);
});

test('entries carry serial, time and reason, and no reason when it is unspecified', async (t) => {
	const text = await openssl(7, [
		{ serial: '4000000000000000000000000000000a', revokedAt: new Date('2030-05-06T07:08:09.999Z'), reason: 'keyCompromise' },
		{ serial: '7f00000000000000000000000000000b', revokedAt: new Date('2051-05-06T07:08:09Z'), reason: 'cessationOfOperation' },
		{ serial: '7f00000000000000000000000000000c', revokedAt: new Date('2030-05-06T07:08:09Z'), reason: 'unspecified' },
	]);
	t.regex(text, /4000000000000000000000000000000A\s+Revocation Date: May {2}6 07:08:09 2030 GMT[\s\S]*?Key Compromise/);
	t.regex(text, /7F00000000000000000000000000000B\s+Revocation Date: May {2}6 07:08:09 2051 GMT[\s\S]*?Cessation Of Operation/);
	t.is(text.match(/CRL Reason Code/g)?.length, 2);
});

test('dates after 2049 and numbers beyond one byte are encoded as RFC 5280 wants them', async (t) => {
	const text = await openssl(0x8000, []);
	t.regex(text, /Last Update: Jan {2}2 03:04:05 2030 GMT/);
	t.regex(text, /Next Update: Jan {2}2 03:04:05 2060 GMT/);
	t.regex(text, /X509v3 CRL Number:\s+(32768|0x8000)/);
	t.regex(text, /Authority Key Identifier/);
});

test('ten thousand entries make one list', async (t) => {
	const entries = Array.from({ length: 10_000 }, (): RevokedCertificate => ({ serial: createSerial(randomBytes), revokedAt: thisUpdate, reason: 'superseded' }));
	const text = await openssl(2, entries);
	t.is(text.match(/Serial Number:/g)?.length, 10_000);
});

/** Certificates, OCSP requests, encrypted keys and the strict reader below them: what holds for every input. */

import test from 'ava';
import { deepEqual, equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { decodeCertificate } from '#common/x509/certificate-decode.ts';
import { contextTag, encode, encodeInteger, encodeOid, encodeTime, Tag } from '#common/x509/der.ts';
import { DerError, DerReader } from '#common/x509/der-reader.ts';
import { decryptSigningKey, encryptSigningKey } from '#common/x509/encrypted-key.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { certificateId, MAX_OCSP_CERTIFICATES, parseOcspRequest } from '#common/x509/ocsp-request.ts';
import { mutated } from '../../../support/mutation.ts';
import { createPki, issueLeaf } from '../../../support/pki.ts';
import { holds, holdsAsync } from '../../../support/property.ts';

const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength }).map((value) => Buffer.from(value));

/** What was read, or undefined when it was refused; whatever else is thrown is a fault. */
function attempt<T>(work: () => T): T | undefined {
	try {
		return work();
	} catch (error) {
		ok(error instanceof DerError, String(error));
		return undefined;
	}
}

test('an object identifier that was written is read as it was, and none has two spellings', (t) => {
	const arcs = fc.tuple(fc.constantFrom(0, 1, 2), fc.integer({ min: 0, max: 39 }), fc.array(fc.integer({ min: 0, max: 2 ** 31 }), { maxLength: 8 }));
	holds(t, 500, fc.property(arcs, ([first, second, rest]) => {
		const dotted = [first, second, ...rest].join('.');
		equal(new DerReader(encodeOid(dotted)).oid(), dotted);
	}));
	holds(t, 2000, fc.property(bytes(0, 12), (contents) => {
		const der = encode(Tag.objectIdentifier, contents);
		const dotted = attempt(() => new DerReader(der).oid());
		if (dotted !== undefined) deepEqual(encodeOid(dotted), der, dotted);
	}));
});

test('a time or number that is read has been written in the one way there is', (t) => {
	const digits = fc.stringMatching(/^[0-9]{12,14}Z$/);
	holds(t, 3000, fc.property(fc.constantFrom(Tag.utcTime, Tag.generalizedTime), fc.oneof(digits, fc.stringMatching(/^(20)?[0-9]{2}(0[0-9]|1[0-3])[0-3][0-9][0-2][0-9][0-6][0-9][0-6][0-9]Z$/)), (tag, text) => {
		const der = encode(tag, Buffer.from(text));
		const instant = attempt(() => new DerReader(der).time());
		if (instant) deepEqual(encodeTime(instant), der, text);
	}));
	holds(t, 1000, fc.property(bytes(0, 6), (contents) => {
		const der = encode(Tag.integer, contents);
		const value = attempt(() => new DerReader(der).unsigned());
		if (value) deepEqual(encodeInteger(value), der);
		const number = attempt(() => new DerReader(der).number());
		if (number !== undefined) equal(BigInt(number), BigInt(`0x${contents.toString('hex')}`));
	}));
});

test('a mutated certificate is refused, or its signature does not hold, or it is the same', (t) => {
	const pki = createPki();
	const { der, serial } = issueLeaf(pki);
	holds(t, 1000, fc.property(fc.oneof(mutated(der), bytes(0, 300)), (value) => {
		const decoded = attempt(() => decodeCertificate(value));
		if (!decoded) return;
		if (value.equals(der)) equal(decoded.serial, serial);
		ok(/^(?:[0-9a-f]{2})*$/.test(decoded.serial) && !Number.isNaN(decoded.notBefore.getTime()) && !Number.isNaN(decoded.notAfter.getTime()));
	}));
});

test('a mutated OCSP request is one within the limits or none', (t) => {
	const pki = createPki();
	const issuer = { name: pki.issuer.name, publicKey: pki.issuer.key.publicKey };
	const ids = ['41'.repeat(16), '7f'.repeat(16)].map((serial) => encode(Tag.sequence, certificateId(serial, issuer).der));
	const nonce = encode(Tag.sequence, encodeOid('1.3.6.1.5.5.7.48.1.2'), encode(Tag.octetString, encode(Tag.octetString, Buffer.alloc(16, 7))));
	const request = encode(Tag.sequence, encode(Tag.sequence, encode(Tag.sequence, ...ids), encode(contextTag(2), encode(Tag.sequence, nonce))));
	t.is(parseOcspRequest(request)?.certificates.length, 2);
	t.is(parseOcspRequest(request)?.nonce?.length, 16);
	holds(t, 3000, fc.property(fc.oneof(mutated(request), bytes(0, 300)), (value) => {
		const parsed = parseOcspRequest(value);
		if (!parsed) return;
		ok(parsed.certificates.length >= 1 && parsed.certificates.length <= MAX_OCSP_CERTIFICATES);
		for (const { serial, der } of parsed.certificates) ok(/^(?:[0-9a-f]{2}){1,20}$/.test(serial) && value.includes(der));
		ok(parsed.nonce === undefined || (parsed.nonce.length >= 1 && parsed.nonce.length <= 128));
	}));
});

test('an encrypted key comes out as it went in, with its own secret only, and a damaged one is told in a sentence', async (t) => {
	const key = generateSigningKey();
	const secret = Buffer.from('a secret of the test');
	const pem = await encryptSigningKey(key, secret, { cost: 16, blockSize: 1, parallelization: 1 });
	const attemptKey = async (text: string, with_: Buffer) => {
		try {
			return await decryptSigningKey(text, with_);
		} catch (error) {
			ok((error instanceof BirthmarkError && error.code === 'config-invalid') || error instanceof TypeError, String(error));
			ok(!String(error).includes(secret.toString()));
			return undefined;
		}
	};
	t.deepEqual((await attemptKey(pem, secret))?.publicKey, key.publicKey);
	await holdsAsync(t, 60, fc.asyncProperty(mutated(Buffer.from(pem)), async (value) => {
		const read = await attemptKey(value.toString('latin1'), secret);
		if (read) deepEqual(read.publicKey, key.publicKey);
	}));
	await holdsAsync(t, 300, fc.asyncProperty(bytes(0, 40), async (other) => {
		fc.pre(!other.equals(secret));
		equal(await attemptKey(pem, other), undefined);
	}));
});

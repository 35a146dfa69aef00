/** DER, PEM and certificate signing requests: what holds for every input. */

import test from 'ava';
import { deepEqual, equal, match, ok, throws } from 'node:assert/strict';
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { encodeCsr } from '#common/x509/csr-encode.ts';
import { verifyCsr } from '#common/x509/csr.ts';
import { elementAt, encode, encodeInteger, encodeTime, Tag } from '#common/x509/der.ts';
import { decodePem, encodePem } from '#common/x509/pem.ts';
import { createSerial } from '#common/x509/serial.ts';
import { mutated } from '../../../support/mutation.ts';
import { holds } from '../../../support/property.ts';

const LABEL = 'CERTIFICATE REQUEST';
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((value) => Buffer.from(value));

function ourCsr(): Buffer {
	const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	return Buffer.from(encodeCsr({ privateKey, publicKey, commonName: 'api01' }));
}

function rsaCsr(): Buffer {
	const options = ['-newkey', 'rsa:2048', '-nodes', '-keyout', '/dev/null', '-subj', '/CN=api01'];
	return execFileSync('openssl', ['req', '-new', ...options], { stdio: ['ignore', 'pipe', 'ignore'] });
}

function toDer(pem: Buffer): Buffer {
	return decodePem(LABEL, pem.toString('latin1'))![0]!;
}

const REQUESTS: Readonly<Record<string, () => Buffer>> = {
	'EC': ourCsr,
	'RSA': rsaCsr,
	'Ed25519': () => readFileSync(new URL('../../../vectors/csr/ed25519.csr', import.meta.url)),
	'EC with attributes': () => readFileSync(new URL('../../../vectors/csr/ecp256-asks-for-more.csr', import.meta.url)),
};

test('an element that was written is found with its tag and contents, whatever stands around it', (t) => {
	holds(t, 200, fc.property(fc.constantFrom(...Object.values(Tag)), fc.oneof(bytes(40), bytes(70_000)), bytes(8), bytes(8), (tag, contents, before, after) => {
		const element = encode(tag, contents);
		const found = elementAt(Buffer.concat([before, element, after]), before.length)!;
		equal(found.tag, tag);
		equal(found.start, before.length);
		equal(found.end, before.length + element.length);
		deepEqual(Buffer.concat([before, element]).subarray(found.contents, found.end), contents);
		equal(elementAt(element.subarray(0, -1), 0), undefined);
	}));
});

test('an element that is found lies within the bytes, and its length is written the one way DER has', (t) => {
	holds(t, 2000, fc.property(bytes(300), fc.integer({ min: 0, max: 310 }), (value, offset) => {
		const found = elementAt(value, offset);
		if (!found) return;
		ok(found.start === offset && found.start < found.contents && found.contents <= found.end && found.end <= value.length);
		deepEqual(encode(found.tag, value.subarray(found.contents, found.end)), value.subarray(found.start, found.end));
	}));
});

test('an INTEGER is positive, as short as can be, and has the value that it was made of', (t) => {
	holds(t, 300, fc.property(bytes(40), (value) => {
		const der = encodeInteger(value);
		const contents = der.subarray(elementAt(der, 0)!.contents);
		ok(contents.length >= 1 && (contents[0]! & 0x80) === 0);
		ok(!(contents.length > 1 && contents[0] === 0 && (contents[1]! & 0x80) === 0));
		equal(BigInt(`0x${contents.toString('hex')}`), BigInt(`0x0${value.toString('hex')}`));
	}));
});

test('an instant is written as UTCTime through 2049 and as GeneralizedTime after, to the second', (t) => {
	const instant = fc.date({ min: new Date('1950-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true });
	holds(t, 500, fc.property(instant, (value) => {
		const der = encodeTime(value);
		const text = der.subarray(2).toString('latin1');
		const isShort = value.getUTCFullYear() < 2050;
		equal(der[0], isShort ? Tag.utcTime : Tag.generalizedTime);
		match(text, isShort ? /^\d{12}Z$/ : /^\d{14}Z$/);
		const full = isShort ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text;
		equal(full.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'), value.toISOString().replace(/\.\d+Z$/, 'Z'));
	}));
});

test('a serial number is positive and of one length, whatever the random source gives', (t) => {
	holds(t, 200, fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (random) => {
		match(createSerial(() => random), /^[4-7][0-9a-f]{31}$/);
	}));
});

test('PEM blocks are read as they were written, whatever white space a transport put around them', (t) => {
	const block = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((value) => Buffer.from(value));
	const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
	holds(t, 200, fc.property(fc.array(block, { minLength: 1, maxLength: 4 }), space, space, (blocks, before, between) => {
		const text = before + blocks.map((der) => encodePem('CERTIFICATE', der)).join(between);
		deepEqual(decodePem('CERTIFICATE', text), blocks);
		deepEqual(decodePem('CERTIFICATE', text.replaceAll('\n', '\r\n')), blocks);
		equal(decodePem('X509 CRL', text), undefined);
	}));
});

test('text that is not exactly PEM is not read', (t) => {
	const original = encodePem(LABEL, Buffer.alloc(90, 0x5a));
	holds(t, 3000, fc.property(fc.oneof(fc.string(), mutated(Buffer.from(original)).map((value) => value.toString('latin1'))), (text) => {
		const blocks = decodePem(LABEL, text);
		// What is read is what the text says, and nothing but white space is beside it.
		if (blocks) equal(text.replace(/\s/g, ''), blocks.map((der) => encodePem(LABEL, der)).join('').replace(/\s/g, ''));
	}));
});

for (const [type, make] of Object.entries(REQUESTS)) {
	test(`a mutated request over a key of type ${type} is refused with a code of its own, or says the same as before`, (t) => {
		const pem = make();
		const der = toDer(pem);
		const { publicKey, commonName } = verifyCsr(der);
		holds(t, 2000, fc.property(fc.oneof(mutated(der), mutated(pem)), (value) => {
			try {
				// Only its spelling may have changed (white space of PEM, the signature's own malleability): what it says is signed.
				const read = verifyCsr(value);
				deepEqual(read.publicKey, publicKey);
				equal(read.commonName, commonName);
			} catch (error) {
				ok(error instanceof BirthmarkError, String(error));
				match((error as BirthmarkError).code, /^csr-/);
			}
		}));
	});
}

test('no bytes but a signed request are taken for one', (t) => {
	const sequence = bytes(400).map((contents) => encode(Tag.sequence, contents));
	const nested = fc.array(fc.oneof(sequence, bytes(30)), { maxLength: 4 }).map((parts) => encode(Tag.sequence, ...parts));
	holds(t, 800, fc.property(fc.oneof(bytes(300), sequence, nested, nested.map((der) => Buffer.from(encodePem(LABEL, der)))), (value) => {
		throws(() => verifyCsr(value), (error) => error instanceof BirthmarkError && error.code.startsWith('csr-'));
	}));
});

test('a signature of one request does not make another', (t) => {
	const [one, other] = [toDer(ourCsr()), toDer(ourCsr())];
	const parts = (der: Buffer) => {
		const info = elementAt(der, elementAt(der, 0)!.contents)!;
		return [der.subarray(info.start, info.end), der.subarray(info.end)] as const;
	};
	const mixed = encode(Tag.sequence, parts(one)[0], parts(other)[1]);
	t.like(t.throws(() => verifyCsr(mixed), { instanceOf: BirthmarkError }), { code: 'csr-signature-invalid' });
});

/** OCSP as the `openssl ocsp` command speaks it, and what it never sends. */

import test, { type ExecutionContext } from 'ava';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contextTag, encode, encodeNumber, encodeOid, Tag } from '#common/x509/der.ts';
import { extension } from '#common/x509/extensions.ts';
import { certificateId, isIssuedBy, MAX_OCSP_CERTIFICATES, parseOcspRequest, type OcspRequest } from '#common/x509/ocsp-request.ts';
import { ocspError, signOcspResponse, type OcspAnswer, type OcspStatus } from '#common/x509/ocsp-response.ts';
import { createPki, issueLeaf, issueResponder, pem, type Pki } from '../../../support/pki.ts';

const NONCE = '1.3.6.1.5.5.7.48.1.2';
const revokedAt = new Date('2025-03-04T05:06:07Z');

function folder(t: ExecutionContext): (name: string) => string {
	const path = mkdtempSync(join(tmpdir(), 'birthmark-ocsp-'));
	t.teardown(() => rmSync(path, { recursive: true, force: true }));
	return (name) => join(path, name);
}

interface Exchange {
	readonly request: OcspRequest;
	/** what `openssl ocsp` says about our answer */
	readonly verdict: string;
	/** what it says when it looks at the nonce */
	readonly nonceVerdict: string;
}

/** `openssl ocsp` asks about the certificates, we answer, it judges the answer. */
function ask(t: ExecutionContext, pki: Pki, certificates: readonly Buffer[], statuses: readonly OcspStatus[], options: { hash?: 'sha1' | 'sha256'; forget?: 'nonce' } = {}): Exchange {
	const path = folder(t);
	writeFileSync(path('root.pem'), pem(pki.root));
	writeFileSync(path('intermediate.pem'), pem(pki.intermediate));
	const asked = certificates.flatMap((der, index) => {
		writeFileSync(path(`${index}.pem`), pem(der));
		return ['-cert', path(`${index}.pem`)];
	});
	const common = ['ocsp', `-${options.hash ?? 'sha1'}`, '-issuer', path('intermediate.pem'), ...asked];
	execFileSync('openssl', [...common, '-nonce', '-reqout', path('request.der')], { stdio: 'ignore' });
	const request = parseOcspRequest(readFileSync(path('request.der')));
	t.truthy(request);
	const responder = issueResponder(pki);
	writeFileSync(path('response.der'), signOcspResponse(answer(request!, statuses, options.forget), { key: responder.key, certificate: responder.der }));
	const trust = ['-CAfile', path('root.pem'), '-verify_other', path('intermediate.pem'), '-no-CApath', '-no-CAstore'];
	// With -cert OpenSSL shows the status of each and forgets the request that it sent, with -reqin it compares the nonces.
	const judge = (args: readonly string[]) => spawnSync('openssl', [...args, '-no_nonce', '-respin', path('response.der'), ...trust], { encoding: 'utf8' });
	const [statusesSeen, nonceSeen] = [judge(common), judge(['ocsp', '-reqin', path('request.der')])];
	return { request: request!, verdict: statusesSeen.stdout + statusesSeen.stderr, nonceVerdict: nonceSeen.stdout + nonceSeen.stderr };
}

function answer({ certificates, nonce }: OcspRequest, statuses: readonly OcspStatus[], forget?: 'nonce'): OcspAnswer {
	const now = new Date(Math.floor(Date.now() / 1000) * 1000);
	return {
		statuses: certificates.map((certificate, index) => ({ certificate, ...statuses[index]! })),
		producedAt: now,
		thisUpdate: now,
		nextUpdate: new Date(now.getTime() + 60_000),
		...(nonce && !forget && { nonce }),
	};
}

for (const hash of ['sha1', 'sha256'] as const) {
	test(`OpenSSL believes our answers to its questions with ${hash}`, (t) => {
		const pki = createPki();
		const leaves = [issueLeaf(pki), issueLeaf(pki), issueLeaf(pki), issueLeaf(pki)];
		const { request, verdict } = ask(t, pki, leaves.map(({ der }) => der), [
			{ status: 'good' },
			{ status: 'revoked', revokedAt, reason: 'keyCompromise' },
			{ status: 'revoked', revokedAt, reason: 'unspecified' },
			{ status: 'unknown' },
		], { hash });
		t.deepEqual(request.certificates.map(({ serial }) => serial), leaves.map(({ serial }) => serial));
		t.regex(verdict, /Response verify OK/);
		t.regex(verdict, /0\.pem: good/);
		t.regex(verdict, /1\.pem: revoked[\s\S]*Reason: keyCompromise[\s\S]*Revocation Time: Mar {2}4 05:06:07 2025 GMT/);
		t.is(verdict.match(/Reason:/g)?.length, 1);
		t.regex(verdict, /3\.pem: unknown/);
	});
}

test('the nonce is echoed; OpenSSL notices when it is not', (t) => {
	const pki = createPki();
	const { der } = issueLeaf(pki);
	t.is(ask(t, pki, [der], [{ status: 'good' }]).nonceVerdict, 'Response verify OK\n');
	t.regex(ask(t, pki, [der], [{ status: 'good' }], { forget: 'nonce' }).nonceVerdict, /WARNING: no nonce in response/);
});

test('a certificate is known by name and key of its issuer, with either hash', (t) => {
	const [pki, other] = [createPki(), createPki()];
	const issuer = { name: pki.issuer.name, publicKey: pki.issuer.key.publicKey };
	const stranger = { name: other.issuer.name, publicKey: other.issuer.key.publicKey };
	for (const hash of ['sha1', 'sha256'] as const) {
		const [id] = ask(t, pki, [issueLeaf(pki).der], [{ status: 'good' }], { hash }).request.certificates;
		t.true(isIssuedBy(id!, issuer));
		t.false(isIssuedBy(id!, stranger));
		t.false(isIssuedBy({ ...id!, hash: undefined }, issuer));
	}
});

test('the identifier that we compute ourselves is the one OpenSSL asks with', (t) => {
	const pki = createPki();
	const leaf = issueLeaf(pki);
	const [asked] = ask(t, pki, [leaf.der], [{ status: 'good' }]).request.certificates;
	t.deepEqual(certificateId(leaf.serial, { name: pki.issuer.name, publicKey: pki.issuer.key.publicKey }), asked!);
});

test('each error status is one that OpenSSL can name', (t) => {
	for (const [error, expected] of [['malformedRequest', /malformedrequest/], ['internalError', /internalerror/], ['tryLater', /trylater/], ['unauthorized', /unauthorized/]] as const) {
		const path = folder(t);
		writeFileSync(path('response.der'), ocspError(error));
		const { stdout } = spawnSync('openssl', ['ocsp', '-respin', path('response.der'), '-noverify', '-text'], { encoding: 'utf8' });
		t.regex(stdout, expected);
	}
});

/** A request put together by hand. */
function request(parts: { ids?: readonly Buffer[]; extensions?: readonly Buffer[]; singleExtensions?: readonly Buffer[]; version?: number; after?: readonly Buffer[] } = {}): Buffer {
	const pki = { name: Buffer.from('3000', 'hex'), publicKey: issueLeaf(createPki()).key.publicKey };
	const { ids = [certificateId('40'.repeat(16), pki).der], extensions, singleExtensions, version, after = [] } = parts;
	const wrapped = (number: number, list: readonly Buffer[] | undefined) => (list ? [encode(contextTag(number), encode(Tag.sequence, ...list))] : []);
	const tbs = encode(
		Tag.sequence,
		...(version === undefined ? [] : [encode(contextTag(0), encodeNumber(version))]),
		encode(Tag.sequence, ...ids.map((id) => encode(Tag.sequence, id, ...wrapped(0, singleExtensions)))),
		...wrapped(2, extensions),
	);
	return encode(Tag.sequence, tbs, ...after);
}

const octets = (length: number) => encode(Tag.octetString, Buffer.alloc(length, 7));

test('nonces of 1 to 128 octets are accepted', (t) => {
	for (const length of [1, 16, 32, 128]) {
		t.is(parseOcspRequest(request({ extensions: [extension(NONCE, undefined, octets(length))] }))?.nonce?.length, length);
	}
	t.is(parseOcspRequest(request())?.nonce, undefined);
});

test('extensions that nobody knows are passed over unless they are critical', (t) => {
	const unknown = extension('1.2.3.4', undefined, octets(1));
	t.truthy(parseOcspRequest(request({ extensions: [unknown], singleExtensions: [unknown] })));
	const critical = extension('1.2.3.4', 'critical', octets(1));
	t.is(parseOcspRequest(request({ extensions: [critical] })), undefined);
	t.is(parseOcspRequest(request({ singleExtensions: [critical] })), undefined);
});

test('a signature on a request is passed over', (t) => {
	t.truthy(parseOcspRequest(request({ after: [encode(contextTag(0), encode(Tag.sequence))] })));
});

const id = (serial: Buffer, algorithm = encode(Tag.sequence, encodeOid('1.3.14.3.2.26'))) =>
	encode(Tag.sequence, algorithm, octets(20), octets(20), encode(Tag.integer, serial));

test('a hash that is not computed here makes a certificate of nobody', (t) => {
	const sha512 = encode(Tag.sequence, encodeOid('2.16.840.1.101.3.4.2.3'));
	t.is(parseOcspRequest(request({ ids: [id(Buffer.of(1), sha512)] }))?.certificates[0]?.hash, undefined);
});

const nonce = extension(NONCE, undefined, octets(16));
const MALFORMED: Readonly<Record<string, Buffer>> = {
	'nothing': Buffer.alloc(0),
	'no DER': Buffer.from('hello'),
	'something after the end': Buffer.concat([request(), Buffer.of(0)]),
	'one byte too few': request().subarray(0, -1),
	'an element after the request': request({ after: [encode(Tag.null)] }),
	'no certificate': request({ ids: [] }),
	'too many certificates': request({ ids: Array.from({ length: MAX_OCSP_CERTIFICATES + 1 }, () => id(Buffer.of(1))) }),
	'another version': request({ version: 1 }),
	'the default version written down': request({ version: 0 }),
	'an empty nonce': request({ extensions: [extension(NONCE, undefined, octets(0))] }),
	'a nonce of 129 octets': request({ extensions: [extension(NONCE, undefined, octets(129))] }),
	'a nonce that is no OCTET STRING': request({ extensions: [extension(NONCE, undefined, Buffer.alloc(16, 7))] }),
	'two nonces': request({ extensions: [nonce, nonce] }),
	'an empty list of extensions': request({ extensions: [] }),
	'a negative serial number': request({ ids: [id(Buffer.of(0x80))] }),
	'a serial number with a spare zero': request({ ids: [id(Buffer.of(0, 1))] }),
	'a serial number of 21 octets': request({ ids: [id(Buffer.alloc(21, 0x41))] }),
	'more than the limit': Buffer.concat([request(), Buffer.alloc(8192)]),
};
for (const [name, bytes] of Object.entries(MALFORMED)) {
	test(`a request with ${name} is malformed`, (t) => {
		t.is(parseOcspRequest(bytes), undefined);
	});
}

test('as many certificates as are allowed are answered for', (t) => {
	t.is(parseOcspRequest(request({ ids: Array.from({ length: MAX_OCSP_CERTIFICATES }, () => id(Buffer.of(1))) }))?.certificates.length, MAX_OCSP_CERTIFICATES);
});

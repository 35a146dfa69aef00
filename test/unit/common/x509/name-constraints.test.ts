/** Name constraints: read as they were written, and kept by our own judgement as OpenSSL keeps them (`chain.test.ts`). */

import test from 'ava';
import { contextTag, encode, Tag } from '#common/x509/der.ts';
import { DerError } from '#common/x509/der-reader.ts';
import type { NameConstraints } from '#common/x509/extensions.ts';
import { decodeNameConstraints, findForbiddenName } from '#common/x509/name-constraints.ts';
import { createPki } from '../../../support/pki.ts';

const CONSTRAINTS: Readonly<Record<string, NameConstraints>> = {
	'nothing': {},
	'one domain': { dnsDomains: ['svc.test'] },
	'several domains': { dnsDomains: ['svc.test', 'birthmark-ca'] },
	'the trust domain': { uriHost: 'example.org' },
	'both': { dnsDomains: ['svc.test'], uriHost: 'example.org' },
};
for (const [name, constraints] of Object.entries(CONSTRAINTS)) {
	test(`constraints of ${name} are read from the certificate of the issuer`, (t) => {
		const { issuer, rootIssuer } = createPki({ constraints });
		t.deepEqual(issuer.constraints, constraints);
		t.deepEqual(rootIssuer.constraints, {});
	});
}

test('constraints that are not the ones of this project are refused, not passed over', (t) => {
	const subtrees = (number: number, tag: number, value: Buffer) => encode(contextTag(number), encode(Tag.sequence, encode(contextTag(tag, 'primitive'), value)));
	const address = subtrees(1, 7, Buffer.alloc(8));
	t.deepEqual(decodeNameConstraints(encode(Tag.sequence, address)), {});
	const others: readonly Buffer[][] = [
		[subtrees(1, 2, Buffer.from('bad.test'))],
		[subtrees(0, 2, Buffer.from('svc.test')), subtrees(1, 2, Buffer.from('bad.svc.test'))],
		[subtrees(0, 7, Buffer.alloc(8)), address],
		[subtrees(0, 6, Buffer.from('a.test')), subtrees(0, 6, Buffer.from('b.test')), address],
		[address, address],
		[],
	];
	for (const parts of others) t.throws(() => decodeNameConstraints(encode(Tag.sequence, ...parts)), { instanceOf: DerError });
});

test('a name is in a domain when it is the domain or ends with it after a dot', (t) => {
	const forbidden = (name: string) => findForbiddenName({ dnsDomains: ['svc.test', 'api01'] }, { dnsNames: [name] }, 'other.test');
	for (const name of ['svc.test', 'a.svc.test', 'a.b.svc.test', 'api01']) t.is(forbidden(name), undefined);
	for (const name of ['asvc.test', 'svc.test.example', 'test', 'api02', 'svc']) t.is(forbidden(name), name);
});

test('a URI is permitted when its host is the one, exactly', (t) => {
	const forbidden = (spiffeId: string) => findForbiddenName({ uriHost: 'example.org' }, { dnsNames: [], spiffeId }, 'api01');
	t.is(forbidden('spiffe://example.org/a'), undefined);
	for (const uri of ['spiffe://a.example.org/a', 'spiffe://example.org.test/a', 'spiffe://org/a', 'spiffe:']) t.is(forbidden(uri), uri);
	t.is(findForbiddenName({}, { dnsNames: ['any'], spiffeId: 'spiffe://any/a' }, 'any.test'), undefined);
});

test('a CN with a dot counts as a DNS name where there is none, as it does for OpenSSL', (t) => {
	const forbidden = (commonName: string, dnsNames: readonly string[] = []) => findForbiddenName({ dnsDomains: ['svc.test'] }, { dnsNames }, commonName);
	for (const name of ['host1', 'host1.svc.test']) t.is(forbidden(name), undefined);
	t.is(forbidden('host1.example.com'), 'host1.example.com');
	t.is(forbidden('host1.example.com', ['api01.svc.test']), undefined);
});

/** Chains, revocation lists and cross-certificates as `openssl verify -x509_strict` judges them. */

import test, { type ExecutionContext } from 'ava';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issuerOf, signCross, type Issuer } from '#common/x509/certificate.ts';
import { signRevocationList, type RevokedCertificate } from '#common/x509/crl.ts';
import type { NameConstraints } from '#common/x509/extensions.ts';
import { encodePem } from '#common/x509/pem.ts';
import { createSerial } from '#common/x509/serial.ts';
import { createPki, issueLeaf, issueResponder, pem, type Pki } from '../../../support/pki.ts';

/** @param parts names of options and the PEM that each is given as a file */
function verify(t: ExecutionContext, leaf: Buffer, parts: ReadonlyArray<readonly [option: string, pem: string]>, ...options: readonly string[]): string {
	const folder = mkdtempSync(join(tmpdir(), 'birthmark-verify-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	const files = parts.flatMap(([option, text], index) => {
		const path = join(folder, `${index}.pem`);
		writeFileSync(path, text);
		return [option, path];
	});
	const path = join(folder, 'leaf.pem');
	writeFileSync(path, pem(leaf));
	const { stdout, stderr } = spawnSync('openssl', ['verify', '-x509_strict', '-no-CApath', '-no-CAstore', ...files, ...options, path], { encoding: 'utf8' });
	return (stdout + stderr).replaceAll(path, 'leaf');
}

const revokedAt = new Date('2026-01-01T00:00:00Z');

function list({ dates }: Pki, issuer: Issuer, entries: readonly RevokedCertificate[] = [], distributionPoint?: string): string {
	const der = signRevocationList(
		{ number: 1, thisUpdate: dates.notBefore, nextUpdate: dates.notAfter, entries, ...(distributionPoint !== undefined && { distributionPoint }) },
		issuer,
	);
	return encodePem('X509 CRL', der);
}

for (const purpose of ['sslserver', 'sslclient']) {
	test(`a leaf is accepted as ${purpose} with the lists of the whole chain, and refused once it is revoked`, (t) => {
		const pki = createPki();
		const { der, serial } = issueLeaf(pki);
		const chain = [['-CAfile', pem(pki.root)], ['-untrusted', pem(pki.intermediate)], ['-CRLfile', list(pki, pki.rootIssuer)]] as const;
		const options = ['-crl_check_all', '-purpose', purpose];
		t.is(verify(t, der, [...chain, ['-CRLfile', list(pki, pki.issuer)]], ...options), 'leaf: OK\n');
		t.regex(verify(t, der, [...chain, ['-CRLfile', list(pki, pki.issuer, [{ serial, revokedAt, reason: 'keyCompromise' }])]], ...options), /certificate revoked/);
		t.regex(verify(t, der, chain, ...options), /unable to get certificate CRL/);
	});
}

test('a responder is one for OCSP and for nothing else', (t) => {
	const pki = createPki();
	const { der } = issueResponder(pki);
	const chain = [['-CAfile', pem(pki.root)], ['-untrusted', pem(pki.intermediate)]] as const;
	t.is(verify(t, der, chain), 'leaf: OK\n');
	for (const purpose of ['sslserver', 'sslclient']) t.regex(verify(t, der, chain, '-purpose', purpose), /unsuitable certificate purpose/);
});

test('under a cross-certificate, leaves of the new root are accepted by those who know only the old one', (t) => {
	const [old, fresh] = [createPki(), createPki()];
	const cross = signCross(fresh.root, { serial: createSerial(randomBytes), ...fresh.dates, pointers: { crl: 'http://ca.test/root.crl' } }, old.rootIssuer);
	const { der } = issueLeaf(fresh);
	t.is(verify(t, der, [['-CAfile', pem(old.root)], ['-untrusted', pem(fresh.intermediate, cross)]], '-purpose', 'sslserver'), 'leaf: OK\n');
	t.regex(verify(t, der, [['-CAfile', pem(old.root)], ['-untrusted', pem(fresh.intermediate)]]), /unable to get local issuer certificate/);
	const issuer = issuerOf(cross, fresh.rootIssuer.key);
	t.deepEqual([issuer.name, issuer.keyId], [fresh.rootIssuer.name, fresh.rootIssuer.keyId]);
});

test('a partitioned list holds for the certificates that point at it, and for no others', (t) => {
	const pki = createPki();
	const pointing = issueLeaf(pki, ['api01'], ['serverAuth'], { crl: 'http://ca.test/crl/3' });
	const elsewhere = issueLeaf(pki, ['api01'], ['serverAuth'], { crl: 'http://ca.test/crl/4' });
	const revoked = [pointing, elsewhere].map(({ serial }): RevokedCertificate => ({ serial, revokedAt, reason: 'superseded' }));
	const chain = [['-CAfile', pem(pki.root)], ['-untrusted', pem(pki.intermediate)], ['-CRLfile', list(pki, pki.issuer, revoked, 'http://ca.test/crl/3')]] as const;
	t.regex(verify(t, pointing.der, chain, '-crl_check'), /certificate revoked/);
	t.regex(verify(t, elsewhere.der, chain, '-crl_check'), /different CRL scope/);
	const empty = [...chain.slice(0, 2), ['-CRLfile', list(pki, pki.issuer, [], 'http://ca.test/crl/3')] as const];
	t.is(verify(t, pointing.der, empty, '-crl_check'), 'leaf: OK\n');
});

const CONSTRAINED: ReadonlyArray<readonly [string, NameConstraints, dnsName: string, RegExp]> = [
	['a name in the permitted domain', { dnsDomains: ['svc.test', 'birthmark-ca'] }, 'api01.svc.test', /^leaf: OK\n$/],
	['a name outside of the permitted domains', { dnsDomains: ['svc.test', 'birthmark-ca'] }, 'api01.other.test', /permitted subtree violation/],
	['a SPIFFE ID in the permitted trust domain', { uriHost: 'example.org' }, 'api01', /^leaf: OK\n$/],
	['a SPIFFE ID in another trust domain', { uriHost: 'example.com' }, 'api01', /permitted subtree violation/],
	['any name when nothing is constrained but addresses', {}, 'api01', /^leaf: OK\n$/],
];
for (const [name, constraints, dnsName, verdict] of CONSTRAINED) {
	test(`name constraints: ${name}`, (t) => {
		const pki = createPki({ constraints });
		t.regex(verify(t, issueLeaf(pki, [dnsName]).der, [['-CAfile', pem(pki.root)], ['-untrusted', pem(pki.intermediate)]]), verdict);
	});
}

/** Two generations of the CA at once, as in a rotation: each speaks for what it has issued, and only for that. */

import test, { type ExecutionContext } from 'ava';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCaConfig } from '../../../../ca/config.ts';
import { onlyAuthority, type Authority } from '../../../../ca/issuance/authorities.ts';
import { createAuthority } from '../../../../ca/issuance/authority.ts';

import { openRevocation } from '../../../../ca/revocation/open.ts';
import { SYSTEM, type CertificateRecord } from '../../../../ca/store/records.ts';
import { openSqliteStore } from '../../../../ca/store/sqlite.ts';
import { certificateId } from '#common/x509/ocsp-request.ts';
import { encode, Tag } from '#common/x509/der.ts';
import { decodePem, encodePem } from '#common/x509/pem.ts';
import { movableClock, temporaryFolder } from '../../../support/ca.ts';
import { testAuthorityProfile } from '../../../support/domain.ts';
import { newCertificate } from '../../../support/records.ts';

const config = readCaConfig('{"trustDomain": "example.org"}', {});

async function setUp(t: ExecutionContext) {
	const clock = movableClock();
	const folder = temporaryFolder(t);
	const store = openSqliteStore(join(folder, 'ca.db'));
	t.teardown(() => store.close());
	const deps = { clock, random: randomBytes, backdateSeconds: 60, trustDomain: 'example.org', profile: testAuthorityProfile() };
	const first = createAuthority(1, deps);
	const old = onlyAuthority(first).current();
	const state = onlyAuthority(createAuthority(2, deps, { ...first.root, generation: 1 })).current();
	const all = [old.active, state.active];
	const looks = { now: 0, most: 0 };
	const findCertificate: typeof store.findCertificate = async (serial) => {
		looks.most = Math.max(looks.most, ++looks.now);
		return store.findCertificate(serial).finally(() => looks.now--);
	};
	const revocation = await openRevocation({ ...config, store: { ...store, findCertificate }, clock, random: randomBytes, authorities: { current: () => ({ ...state, all }) } });
	const issue = async ({ generation }: Authority, more: Partial<CertificateRecord> = {}): Promise<string> => {
		const issuedAt = clock.now();
		const certificate = newCertificate({ serial: `4${randomBytes(16).toString('hex').slice(1)}`, issuerGeneration: generation, issuedAt, notBefore: issuedAt, notAfter: new Date(issuedAt.getTime() + 3_600_000), ...more });
		await store.addCertificate(certificate, SYSTEM);
		return certificate.serial;
	};
	const revoke = (serial: string) => store.revoke({ by: 'serial', value: serial }, undefined, 'superseded', clock.now(), SYSTEM);
	/** What a response says of this serial number, when it verifies under this authority. */
	const status = async (serial: string, under: Authority): Promise<string> => {
		const issuer = { name: under.issuer.name, publicKey: under.issuer.key.publicKey };
		const { der: id } = certificateId(serial, issuer);
		const request = encode(Tag.sequence, encode(Tag.sequence, encode(Tag.sequence, encode(Tag.sequence, id))));
		writeFileSync(join(folder, 'response.der'), (await revocation.ocsp.answer(request)).der);
		writeFileSync(join(folder, 'issuer.pem'), under.chainPem);
		writeFileSync(join(folder, 'root.pem'), encodePem('CERTIFICATE', under.root));
		const args = ['ocsp', '-respin', 'response.der', '-issuer', 'issuer.pem', '-serial', `0x${serial}`, '-CAfile', 'root.pem', '-no_nonce'];
		return /0x\w+: (\w+)/.exec(execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' }))?.[1] ?? '';
	};
	return { ...revocation, authorities: all as [Authority, Authority], issue, revoke, status, looks };
}

function serialsIn(der: Buffer): string[] {
	const text = execFileSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], { input: der, encoding: 'utf8' });
	return [...text.matchAll(/Serial Number: (\w+)/g)].map(([, serial]) => serial!.toLowerCase());
}

test('each generation lists what it has issued, and the file for whole chains has the lists of both and of both roots', async (t) => {
	const { authorities: [one, two], lists, issue, revoke } = await setUp(t);
	const [old, young] = [await issue(one), await issue(two)];
	for (const serial of [old, young]) t.is(await revoke(serial), 1);
	t.deepEqual(serialsIn((await lists.latest()).der), [young]);
	const { numbers, pem } = await lists.latestPem();
	const ders = decodePem('X509 CRL', pem)!;
	t.deepEqual(ders.map(serialsIn), [[old], [young], [], []]);
	t.is(new Set(numbers).size, 2);
});

test('each generation answers by a signer of its own for what it has issued, and knows nothing of the other\'s', async (t) => {
	const { authorities: [one, two], issue, revoke, status } = await setUp(t);
	const [old, young] = [await issue(one), await issue(two)];
	t.is(await status(old, one), 'good');
	t.is(await status(young, two), 'good');
	t.is(await status(old, two), 'unknown');
	t.is(await status(young, one), 'unknown');
	await revoke(old);
	t.is(await status(old, one), 'revoked');
	t.is(await status(young, two), 'good');
});

test('nobody is told anything, and nothing is stapled, about what an upstream has issued', async (t) => {
	const { authorities: [, active], ocsp, issue, status } = await setUp(t);
	const [own, foreign] = [await issue(active), await issue(active, { intermediates: 'PEM' })];
	t.is(await status(foreign, active), 'unknown');
	t.is(await ocsp.staple(foreign), undefined);
	t.truthy((await ocsp.staple(own))?.validity);
});

test('who asks about many certificates at once takes no more of the store than who asks about one', async (t) => {
	const { authorities: [one], ocsp, issue, looks } = await setUp(t);
	const issuer = { name: one.issuer.name, publicKey: one.issuer.key.publicKey };
	const serials = await Promise.all(Array.from({ length: 20 }, () => issue(one)));
	const requests = serials.map((serial) => encode(Tag.sequence, certificateId(serial, issuer).der));
	t.truthy((await ocsp.answer(encode(Tag.sequence, encode(Tag.sequence, encode(Tag.sequence, ...requests))))).validity);
	t.is(looks.most, 1);
});

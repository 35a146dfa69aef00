/** What the CA issues, and when it does not. */

import test from 'ava';
import { randomBytes, X509Certificate } from 'node:crypto';
import { issuerOf } from '#common/x509/certificate.ts';
import { publicKeyHash } from '#common/x509/csr.ts';
import { generateSigningKey } from '#common/x509/keys.ts';
import { decodePem } from '#common/x509/pem.ts';
import { onlyAuthority } from '../../../../ca/issuance/authorities.ts';
import { createAuthority } from '../../../../ca/issuance/authority.ts';
import { memberIdentity, serverIdentity, workloadIdentity } from '../../../../ca/issuance/identity.ts';
import { createIssue, type IssueRequest } from '../../../../ca/issuance/issue.ts';
import { movableClock } from '../../../support/ca.ts';
import { testAuthorityProfile, testDomain } from '../../../support/domain.ts';

const DAY = 86_400;
const domain = testDomain('example.org', 'test');

function newAuthorities(clock: { now(): Date }) {
	return onlyAuthority(createAuthority(1, { clock, random: randomBytes, backdateSeconds: 0, trustDomain: 'example.org', profile: testAuthorityProfile() }));
}

function webRequest(lifetimeSeconds: number): IssueRequest {
	const { publicKey } = generateSigningKey();
	return {
		identity: workloadIdentity({ commonName: 'web01', organizationalUnit: 'web', dnsNames: ['www.example.org'] }, domain),
		key: { publicKey, publicKeyHash: publicKeyHash(publicKey) },
		lifetimeSeconds,
		origin: { node: 'host1' },
	};
}

test('the intermediate lives five years under a root of twenty, and issues only leaves', async (t) => {
	const clock = movableClock(new Date('2030-01-01T00:00:00Z'));
	const authority = createAuthority(1, { clock, random: randomBytes, backdateSeconds: 60, trustDomain: 'example.org', profile: testAuthorityProfile() });
	const [root, intermediate] = [new X509Certificate(authority.root.certificate), new X509Certificate(authority.intermediate)];
	t.is(root.validTo, 'Jan  1 00:00:00 2050 GMT');
	t.is(intermediate.validFromDate.toISOString(), '2029-12-31T23:59:00.000Z');
	t.is(intermediate.validToDate.toISOString().slice(0, 10), '2035-01-01');
	t.true(intermediate.verify(root.publicKey) && intermediate.checkIssued(root));
	t.true(root.ca && intermediate.ca);
});

test('a root that takes the place of another is signed by that too, for as long as both hold, and not when that has expired', (t) => {
	const clock = movableClock(new Date('2030-01-01T00:00:00Z'));
	const deps = { clock, random: randomBytes, backdateSeconds: 60, trustDomain: 'example.org', profile: testAuthorityProfile() };
	const old = { ...createAuthority(1, deps).root, generation: 1 };
	clock.advance(19 * 365 * DAY);
	const cross = new X509Certificate(createAuthority(2, deps, old).crossCertificate!);
	t.true(cross.checkIssued(new X509Certificate(old.certificate)));
	t.is(cross.validTo, 'Jan  1 00:00:00 2050 GMT');
	clock.advance(2 * 365 * DAY);
	t.is(createAuthority(3, deps, old).crossCertificate, undefined);
});

test('a leaf never outlives its issuer', async (t) => {
	const clock = movableClock(new Date('2030-01-01T00:00:00Z'));
	const authorities = newAuthorities(clock);
	const { issuer } = authorities.current().active;
	const issue = createIssue({ authorities, clock, random: randomBytes, backdateSeconds: 60 });
	clock.advance((issuer.notAfter.getTime() - clock.now().getTime()) / 1000 - 100);
	t.deepEqual((await issue(webRequest(DAY))).notAfter, issuer.notAfter);
});

test('a leaf never begins before its issuer, however far it is backdated', async (t) => {
	const clock = movableClock(new Date('2030-01-01T00:00:00Z'));
	const authorities = newAuthorities(clock);
	const issue = createIssue({ authorities, clock, random: randomBytes, backdateSeconds: 3600 });
	clock.advance(60);
	t.deepEqual((await issue(webRequest(DAY))).notBefore, authorities.current().active.issuer.notBefore);
	clock.advance(DAY);
	t.is((await issue(webRequest(DAY))).notBefore.toISOString(), '2030-01-01T23:01:00.000Z');
});

test('with a clock set back to before its issuer began, a leaf begins now', async (t) => {
	const clock = movableClock(new Date('2030-01-01T00:00:00Z'));
	const issue = createIssue({ authorities: newAuthorities(clock), clock, random: randomBytes, backdateSeconds: 60 });
	clock.advance(-DAY);
	t.is((await issue(webRequest(60))).notBefore.toISOString(), '2029-12-31T00:00:00.000Z');
});

test('an expired issuer issues nothing', async (t) => {
	const clock = movableClock(new Date('2030-01-01T00:00:00Z'));
	const authorities = newAuthorities(clock);
	const issue = createIssue({ authorities, clock, random: randomBytes, backdateSeconds: 60 });
	clock.advance(6 * 365 * DAY);
	t.like(await t.throwsAsync(issue(webRequest(DAY))), { code: 'internal' });
});

test('a key that does not belong to the certificate of the issuer is refused', async (t) => {
	const authority = createAuthority(1, { clock: movableClock(), random: randomBytes, backdateSeconds: 0, trustDomain: 'example.org', profile: testAuthorityProfile() });
	t.throws(() => issuerOf(decodePem('CERTIFICATE', authority.intermediate)![0]!, generateSigningKey()), { instanceOf: TypeError });
});

test('times in certificates are whole seconds', async (t) => {
	const clock = movableClock(new Date('2030-01-01T00:00:00.987Z'));
	const issue = createIssue({ authorities: newAuthorities(clock), clock, random: randomBytes, backdateSeconds: 60 });
	clock.advance(3600);
	const { notBefore, notAfter } = await issue(webRequest(DAY));
	t.is(notBefore.toISOString(), '2030-01-01T00:59:00.000Z');
	t.is(notAfter.toISOString(), '2030-01-02T01:00:00.000Z');
});

test('a renewal belongs to the chain of its parent and counts one more', async (t) => {
	const clock = movableClock();
	const issue = createIssue({ authorities: newAuthorities(clock), clock, random: randomBytes, backdateSeconds: 60 });
	const first = await issue(webRequest(DAY));
	const second = await issue({ ...webRequest(DAY), parent: first });
	const third = await issue({ ...webRequest(DAY), parent: second });
	t.like(first, { chain: first.serial, renewals: 0 });
	t.like(third, { chain: first.serial, parentSerial: second.serial, renewals: 2 });
});

test('only workloads and the CA itself can be servers, and only they have DNS names', (t) => {
	t.like(workloadIdentity({ commonName: 'web01', organizationalUnit: 'web', dnsNames: ['a.b'] }, domain), {
		profile: { purposes: ['serverAuth', 'clientAuth'] }, alternativeNames: ['web01', 'a.b'], spiffeId: 'spiffe://example.org/test/web/web01',
	});
	t.like(memberIdentity('node', 'host1', domain), { profile: { purposes: ['clientAuth'] }, alternativeNames: [], spiffeId: 'spiffe://example.org/birthmark/node/host1' });
	t.like(serverIdentity(domain), { profile: { purposes: ['serverAuth'] }, alternativeNames: ['birthmark-ca'], spiffeId: 'spiffe://example.org/birthmark/ca/server' });
});

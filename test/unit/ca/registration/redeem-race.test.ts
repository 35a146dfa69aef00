/** What happens to a token while a certificate for it is being made. */

import test, { type ExecutionContext } from 'ava';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { onlyAuthority } from '../../../../ca/issuance/authorities.ts';
import { createAuthority } from '../../../../ca/issuance/authority.ts';
import { memberIdentity } from '../../../../ca/issuance/identity.ts';
import { createIssue, type Issue } from '../../../../ca/issuance/issue.ts';
import { createJoin } from '../../../../ca/registration/join.ts';
import { createMint } from '../../../../ca/registration/mint.ts';
import { createRedeem } from '../../../../ca/registration/redeem.ts';
import { SYSTEM } from '../../../../ca/store/records.ts';
import { openSqliteStore } from '../../../../ca/store/sqlite.ts';
import { movableClock, newContainerId, newKey, temporaryFolder } from '../../../support/ca.ts';
import { testAuthorityProfile, testDomain } from '../../../support/domain.ts';

const domain = testDomain('birthmark.internal', 'production');

/** One node with one authorized container; `meanwhile` runs when the certificate is made and not yet stored. */
async function setUp(t: ExecutionContext) {
	const clock = movableClock();
	const own = { clock, random: randomBytes, backdateSeconds: 60 };
	const authorities = onlyAuthority(createAuthority(1, { ...own, trustDomain: domain.trustDomain, profile: testAuthorityProfile() }));
	const store = openSqliteStore(join(temporaryFolder(t), 'ca.db'));
	t.teardown(() => store.close());
	const mint = createMint({ store, clock, random: randomBytes, authorities, tokenTtlSeconds: 120, joinTokenTtlSeconds: 120 });
	const issueNow = createIssue({ ...own, authorities });
	const redeemWhile = (meanwhile: () => Promise<unknown>) => {
		const issue: Issue = async (request) => {
			const certificate = await issueNow(request);
			clock.advance(1);
			await meanwhile();
			return certificate;
		};
		const deps = { store, issue, clock, domain, authorities, redemptionWindowSeconds: 600 };
		return { redeem: createRedeem(deps), join: createJoin(deps) };
	};
	const idle = redeemWhile(async () => undefined);
	await idle.join((await mint.joinToken({ role: 'node', name: 'host1', allow: ['*/*'] }, SYSTEM)).token, { csr: newKey().csr() }, SYSTEM);
	const container = { id: randomUUID(), node: 'host1', containerId: newContainerId(), image: 'test:1', commonName: 'web01', organizationalUnit: 'web', dnsNames: [] };
	await store.authorize({ ...container, lifetimeSeconds: 3600, createdAt: clock.now() }, SYSTEM);
	return { store, clock, mint, redeemWhile, idle, container };
}

test('a token that a newer one has replaced while its certificate was being made gets none', async (t) => {
	const { mint, redeemWhile, idle, container } = await setUp(t);
	const { token } = await mint.startToken('host1', container.id, { startId: 'one' }, SYSTEM);
	let newer = '';
	const { redeem } = redeemWhile(async () => {
		newer = (await mint.startToken('host1', container.id, { startId: 'two' }, SYSTEM)).token;
	});
	t.like(await t.throwsAsync(redeem(token, Buffer.from(newKey().csr()), SYSTEM)), { code: 'token-expired' });
	t.is((await idle.redeem(newer, Buffer.from(newKey().csr()), SYSTEM)).startId, 'two');
});

for (const by of ['containerId', 'commonName', 'node', 'authorization'] as const) {
	test(`a revocation by ${by} is not outrun by a redemption that had begun`, async (t) => {
		const { store, clock, mint, redeemWhile, container } = await setUp(t);
		const value = by === 'authorization' ? container.id : container[by];
		const { token } = await mint.startToken('host1', container.id, { startId: 'one' }, SYSTEM);
		const { redeem } = redeemWhile(() => store.revoke({ by, value }, undefined, 'keyCompromise', clock.now(), SYSTEM));
		t.like(await t.throwsAsync(redeem(token, Buffer.from(newKey().csr()), SYSTEM)), { code: 'token-expired' });
		const live = await store.listIdentities({ now: clock.now(), all: false, limit: 10 });
		t.deepEqual(live.map(({ role }) => role).filter((role) => role === 'workload'), []);
	});
}

test('a token that was replaced stays so when the clock is set back', async (t) => {
	const { clock, mint, idle, container } = await setUp(t);
	const { token } = await mint.startToken('host1', container.id, { startId: 'one' }, SYSTEM);
	clock.advance(10);
	await mint.startToken('host1', container.id, { startId: 'two' }, SYSTEM);
	clock.advance(-5);
	t.like(await t.throwsAsync(idle.redeem(token, Buffer.from(newKey().csr()), SYSTEM)), { code: 'token-expired' });
});

test('a node that was cut off has no use for join tokens that it kept, not even for one that is being redeemed', async (t) => {
	const { store, clock, mint, redeemWhile, idle } = await setUp(t);
	const [kept, running] = [await mint.joinToken({ role: 'node', name: 'host1', allow: ['*/*'] }, SYSTEM), await mint.joinToken({ role: 'node', name: 'host1' }, SYSTEM)];
	const alice = await mint.joinToken({ role: 'operator', name: 'host1' }, SYSTEM);
	const { join } = redeemWhile(() => store.cutOffNode('host1', clock.now(), SYSTEM));
	t.like(await t.throwsAsync(join(running.token, { csr: newKey().csr() }, SYSTEM)), { code: 'token-expired' });
	t.like(await t.throwsAsync(idle.join(kept.token, { csr: newKey().csr() }, SYSTEM)), { code: 'token-expired' });
	t.is((await store.findNode('host1'))?.status, 'cut-off');
	t.is((await idle.join(alice.token, { csr: newKey().csr() }, SYSTEM)).certificate.spiffeId, memberIdentity('operator', 'host1', domain).spiffeId);
	const fresh = await mint.joinToken({ role: 'node', name: 'host1' }, SYSTEM);
	t.is((await idle.join(fresh.token, { csr: newKey().csr() }, SYSTEM)).certificate.commonName, 'host1');
	t.is((await store.findNode('host1'))?.status, 'active');
});

/** What the store promises, on each of its backends. */

import test from 'ava';
import { randomBytes } from 'node:crypto';
import { createStore } from '../../../../ca/store/create-store.ts';
import { SYSTEM } from '../../../../ca/store/records.ts';
import type { RevocationSelector } from '../../../../ca/store/store.ts';
import { answered } from '../../../support/ask-again.ts';
import { attempt, joinNode, later, mint, newAuthorization, newCertificate, NOW } from '../../../support/records.ts';
import { backends } from '../../../support/stores.ts';

for (const backend of backends(test)) {
	const title = (text: string): string => `${backend.name}: ${text}`;

	backend.test(title('what was stored comes back as it was'), async (t) => {
		const store = await backend.store(t);
		const node = await joinNode(store);
		const authorization = newAuthorization({ containerName: 'web', imageId: `sha256:${'0'.repeat(64)}`, dnsNames: ['www.example.org', 'ü'] });
		const hash = await mint(store, authorization, 'start');
		const certificate = newCertificate({ node: 'host1', authorizationId: authorization.id, startId: 'start', dnsNames: authorization.dnsNames, issuerGeneration: 3 });
		t.like(await store.redeemToken(hash, certificate, attempt(certificate.publicKeyHash), SYSTEM), { outcome: 'issued' });
		t.deepEqual(await store.findCertificate(certificate.serial), certificate);
		t.deepEqual(await store.findCertificateByKey(certificate.publicKeyHash), certificate);
		t.deepEqual(await store.findCertificate(node.serial), node);
		t.deepEqual(await store.findAuthorization(authorization.id), authorization);
		t.deepEqual(await store.findToken(hash), {
			hash, authorization, startId: 'start', expiresAt: later(60), cancelled: false, startClosed: false, redeemed: { at: NOW, certificate },
		});
		t.deepEqual(await store.findNode('host1'), { name: 'host1', status: 'active', allow: ['*/*'], joinedAt: NOW });
		t.deepEqual(await store.listNodes(NOW), [{ name: 'host1', status: 'active', allow: ['*/*'], joinedAt: NOW, liveIdentities: 1 }]);
	});

	backend.test(title('of what holders report of their applications the last of each chain is kept, and no late one about an older certificate'), async (t) => {
		const store = await backend.store(t);
		const first = newCertificate({ commonName: 'web01' });
		const second = newCertificate({ commonName: 'web01', chain: first.chain, renewals: 1 });
		const other = newCertificate({ commonName: 'web02' });
		for (const certificate of [first, second, other]) await store.addCertificate(certificate, SYSTEM);
		const reloads = async () => Object.fromEntries((await store.listIdentities({ now: NOW, all: true, limit: 10 })).map(({ serial, reload }) => [serial, reload]));
		await store.putReload(first, { outcome: 'verified', attempts: 2 }, NOW);
		const verified = { outcome: 'verified', attempts: 2, serial: first.serial, at: NOW, verifiedSerial: first.serial, verifiedAt: NOW } as const;
		t.deepEqual(await reloads(), { [first.serial]: verified, [second.serial]: verified, [other.serial]: undefined });
		await store.putReload(second, { outcome: 'mismatch', attempts: 1, servedSerial: first.serial }, later(60));
		await store.putReload(first, { outcome: 'no-tls', attempts: 9 }, later(61));
		const mismatch = { outcome: 'mismatch', attempts: 1, servedSerial: first.serial, serial: second.serial, at: later(60), verifiedSerial: first.serial, verifiedAt: NOW } as const;
		t.deepEqual(await reloads(), { [first.serial]: undefined, [second.serial]: mismatch, [other.serial]: undefined });
		t.deepEqual([...await store.countReloads(NOW)], [['mismatch', 1]]);
		t.deepEqual([...await store.countReloads(later(100 * 24 * 3600))], []);
		await store.forgetExpired(later(200 * 24 * 3600), 100);
		t.deepEqual(await reloads(), {});
		await store.addCertificate(second, SYSTEM);
		t.deepEqual(await reloads(), { [second.serial]: undefined });
	});

	backend.test(title('a demand is about the certificates in use, is fulfilled by what renews them and over when they end'), async (t) => {
		const store = await backend.store(t);
		await joinNode(store);
		const authorization = newAuthorization();
		await store.authorize(authorization, SYSTEM);
		const of = { node: 'host1', authorizationId: authorization.id };
		const first = newCertificate(of);
		const inUse = newCertificate({ ...of, chain: first.chain, parentSerial: first.serial, renewals: 1 });
		const other = newCertificate({ commonName: 'web02', node: 'host2' });
		const user = newCertificate({ commonName: 'web03' });
		const ended = newCertificate({ notAfter: NOW });
		for (const certificate of [first, inUse, other, user, ended]) await store.addCertificate(certificate, SYSTEM);
		t.is(await store.lastDemand(), 0);
		t.is(await store.demandProgress(1, NOW, 20), undefined);

		t.deepEqual(await store.demandRenewal({ by: 'serial', value: first.serial }, NOW, SYSTEM), { number: 1, demanded: 1 });
		t.deepEqual(await store.demandRenewal({ by: 'all' }, NOW, SYSTEM), { number: 2, demanded: 3 });
		for (const [selector, demanded] of [[{ by: 'containerId', value: authorization.containerId }, 1], [{ by: 'commonName', value: 'web02' }, 1], [{ by: 'node', value: 'host2' }, 1], [{ by: 'commonName', value: 'none' }, 0]] as const) {
			t.is((await store.demandRenewal(selector, NOW, SYSTEM)).demanded, demanded, selector.by);
		}
		t.is(await store.lastDemand(), 6);
		t.deepEqual(await store.listDemands('host1', 0, NOW), [{ serial: inUse.serial, authorizationId: authorization.id }]);
		t.deepEqual(await store.listDemands('host1', 3, NOW), []);
		t.true(await store.isRenewalDemanded(inUse.serial));
		t.false(await store.isRenewalDemanded(first.serial));
		const shown = (await store.demandProgress(2, NOW, 2))!;
		t.like(shown, { number: 2, renewed: 0, pending: 3, over: 0 });
		t.deepEqual(shown.notRenewed.map(({ serial, containerId }) => [serial, containerId]), [[inUse.serial, authorization.containerId], [other.serial, undefined]]);

		const next = newCertificate({ ...of, chain: first.chain, parentSerial: inUse.serial, renewals: 2 });
		t.is(await store.addRenewal(next, SYSTEM), 'added');
		await store.revoke({ by: 'serial', value: user.serial }, undefined, 'unspecified', NOW, SYSTEM);
		t.deepEqual(await store.listDemands('host1', 0, NOW), []);
		t.like(await store.demandProgress(2, NOW, 20), { renewed: 1, pending: 1, over: 1 });
		t.like(await store.demandProgress(1, NOW, 20), { renewed: 1, pending: 0, over: 0, notRenewed: [] });

		t.is(await store.revokeReplaced(2, NOW, SYSTEM), 1);
		t.is((await store.findCertificate(inUse.serial))?.revocationReason, 'superseded');
		t.is((await store.findCertificate(next.serial))?.revokedAt, undefined);
		t.is((await store.findCertificate(other.serial))?.revokedAt, undefined);
		await store.forgetExpired(later(200 * 24 * 3600), 100);
		t.like(await store.demandProgress(2, NOW, 20), { renewed: 0, pending: 0, over: 0 });
	});

	backend.test(title('what is not there is not found'), async (t) => {
		const store = await backend.store(t);
		t.is(await store.findCertificate('00'), undefined);
		t.is(await store.findCertificateByKey(randomBytes(32)), undefined);
		t.is(await store.findToken(randomBytes(32)), undefined);
		t.is(await store.findJoinToken(randomBytes(32)), undefined);
		t.is(await store.findNode('host1'), undefined);
		t.is(await store.changeAllow('host1', () => t.fail() as never, NOW, SYSTEM), undefined);
		t.is(await store.cutOffNode('host1', NOW, SYSTEM), undefined);
		t.is(await store.endAuthorization('none', undefined, NOW, SYSTEM), undefined);
		t.is(await store.revoke({ by: 'serial', value: '00' }, undefined, 'unspecified', NOW, SYSTEM), undefined);
		t.deepEqual(await store.redeemToken(randomBytes(32), newCertificate(), attempt(), SYSTEM), { outcome: 'unknown' });
		t.deepEqual(await store.authorize(newAuthorization(), SYSTEM), { outcome: 'cut-off' });
		t.is(await store.addRenewal(newCertificate({ parentSerial: '00' }), SYSTEM), 'revoked');
	});

	backend.test(title('a name with a NUL character in it is refused'), async (t) => {
		const store = await backend.store(t);
		await joinNode(store);
		t.like(await t.throwsAsync(store.findNode('host1\0')), { code: 'request-malformed' });
		t.like(await t.throwsAsync(store.cutOffNode('\0', NOW, SYSTEM)), { code: 'request-malformed' });
	});

	backend.test(title('of many who redeem one token at once, one gets a certificate'), async (t) => {
		const store = await backend.store(t);
		await joinNode(store);
		const authorization = newAuthorization();
		const hash = await mint(store, authorization);
		const of = { node: 'host1', authorizationId: authorization.id, startId: 'one' };
		const outcomes = await Promise.all(Array.from({ length: 100 }, () => {
			const certificate = newCertificate(of);
			return answered(() => store.redeemToken(hash, certificate, attempt(certificate.publicKeyHash), SYSTEM));
		}));
		t.deepEqual(outcomes.map(({ outcome }) => outcome).sort(), ['issued', ...Array.from({ length: 99 }, () => 'used')]);
		t.is((await store.listIdentities({ now: NOW, all: true, match: 'web01', limit: 1000 })).length, 1);
	});

	backend.test(title('the same key that redeems one token many times at once gets one and the same certificate'), async (t) => {
		const store = await backend.store(t);
		await joinNode(store);
		const hash = await mint(store, newAuthorization());
		const publicKeyHash = randomBytes(32);
		const results = await Promise.all(Array.from({ length: 20 }, () => answered(() => store.redeemToken(hash, newCertificate({ publicKeyHash }), attempt(publicKeyHash), SYSTEM))));
		t.deepEqual(results.map(({ outcome }) => outcome).sort(), ['issued', ...Array.from({ length: 19 }, () => 'repeat')]);
		t.is(new Set(results.map((result) => 'certificate' in result && result.certificate.serial)).size, 1);
	});

	backend.test(title('one container has one authorization, however often it is asked for at once'), async (t) => {
		const store = await backend.store(t);
		await joinNode(store);
		const { id: _, ...same } = newAuthorization();
		const results = await Promise.all(Array.from({ length: 20 }, () => store.authorize(newAuthorization(same), SYSTEM)));
		t.deepEqual(results.map(({ outcome }) => outcome).sort(), ['created', ...Array.from({ length: 19 }, () => 'existing')]);
		t.is(new Set(results.map((result) => 'authorization' in result && result.authorization.id)).size, 1);
		t.is((await store.authorize(newAuthorization({ ...same, commonName: 'other' }), SYSTEM)).outcome, 'conflict');
	});

	backend.test(title('a key is renewed to once, however often at once'), async (t) => {
		const store = await backend.store(t);
		const parent = await joinNode(store);
		const publicKeyHash = randomBytes(32);
		const renewal = () => newCertificate({ role: 'node', commonName: 'host1', node: 'host1', chain: parent.chain, parentSerial: parent.serial, renewals: 1, publicKeyHash });
		const results = await Promise.all(Array.from({ length: 10 }, () => store.addRenewal(renewal(), SYSTEM)));
		t.deepEqual(results.sort(), ['added', ...Array.from({ length: 9 }, () => 'key-reused' as const)]);
	});

	for (const by of ['serial', 'chain', 'containerId', 'commonName', 'node', 'authorization'] as const) {
		backend.test(title(`revocation by ${by} reaches what it names, within the node that asks`), async (t) => {
			const store = await backend.store(t);
			await joinNode(store);
			const authorization = newAuthorization();
			const hash = await mint(store, authorization);
			const certificate = newCertificate({ node: 'host1', authorizationId: authorization.id, startId: 'one' });
			await store.redeemToken(hash, certificate, attempt(certificate.publicKeyHash), SYSTEM);
			const value = { serial: certificate.serial, chain: certificate.serial, containerId: authorization.containerId, commonName: 'web01', node: 'host1', authorization: authorization.id }[by];
			const selector: RevocationSelector = { by, value };
			t.is((await store.revoke(selector, 'host2', 'superseded', NOW, SYSTEM)) ?? 0, 0);
			t.is((await store.previewRevocation(selector, 'host2', NOW, 10))?.count ?? 0, 0);
			const preview = await store.previewRevocation(selector, 'host1', NOW, 10);
			t.like(preview, { count: 1, identities: { length: 1, 0: { serial: certificate.serial, containerId: authorization.containerId } } });
			t.is(await store.revoke(selector, 'host1', 'superseded', NOW, SYSTEM), 1);
			t.like(await store.findCertificate(certificate.serial), { revokedAt: NOW, revocationReason: 'superseded' });
			const { entries } = await store.nextRevocationList({ generation: 1, partition: 0 }, NOW, NOW);
			t.deepEqual(entries, [{ serial: certificate.serial, revokedAt: NOW, reason: 'superseded' }]);
		});
	}

	backend.test(title('a start that was closed keeps its token from being redeemed, whichever of both comes first'), async (t) => {
		const store = await backend.store(t);
		await joinNode(store);
		const tokens = await Promise.all(Array.from({ length: 12 }, async () => {
			const authorization = newAuthorization();
			return { authorization, hash: await mint(store, authorization) };
		}));
		await Promise.all(tokens.map(async ({ authorization: { id }, hash }) => {
			const certificate = newCertificate({ node: 'host1', authorizationId: id, startId: 'one' });
			const [redemption] = await Promise.all([
				store.redeemToken(hash, certificate, attempt(certificate.publicKeyHash), SYSTEM),
				store.revoke({ by: 'authorization', value: id, startId: 'one' }, 'host1', 'cessationOfOperation', NOW, SYSTEM),
			]);
			const known = await store.findCertificate(certificate.serial);
			t.true(redemption.outcome === 'issued' ? known?.revokedAt !== undefined : known === undefined, redemption.outcome);
		}));
	});

	backend.test(title('revocation lists that are asked for at once have numbers of their own'), async (t) => {
		const store = await backend.store(t);
		const numbers = await Promise.all(Array.from({ length: 20 }, async () => (await store.nextRevocationList({ generation: 1, partition: 0 }, NOW, NOW)).number));
		t.deepEqual(numbers.toSorted((one, other) => one - other), Array.from({ length: 20 }, (_, index) => index + 1));
	});

	backend.test(title('a cut-off node has nothing left, and nothing comes of what was under way'), async (t) => {
		const store = await backend.store(t);
		const node = await joinNode(store);
		const authorization = newAuthorization();
		const hash = await mint(store, authorization);
		t.is(await store.cutOffNode('host1', NOW, SYSTEM), 1);
		t.like(await store.findCertificate(node.serial), { revocationReason: 'privilegeWithdrawn' });
		t.is((await store.redeemToken(hash, newCertificate(), attempt(), SYSTEM)).outcome, 'ended');
		t.is((await store.authorize(newAuthorization(), SYSTEM)).outcome, 'cut-off');
	});

	backend.test(title('a transaction that fails leaves nothing behind, its event neither'), async (t) => {
		const database = await backend.database(t);
		const failing = database.transaction(async (sql) => {
			await sql.run(`INSERT INTO audit_pending (body) VALUES ('{}')`);
			throw new RangeError('no');
		});
		await t.throwsAsync(failing, { instanceOf: RangeError });
		t.deepEqual(await database.read((sql) => sql.all('SELECT * FROM audit_pending')), []);
	});

	backend.test(title('two transactions that each decide by what the other changes do not both have their way'), async (t) => {
		const database = await backend.database(t);
		await database.transaction((sql) => sql.run(`INSERT INTO counters (name, value) VALUES ('left', 1), ('right', 1)`));
		// Each may go only while the other stays: under snapshot isolation both would.
		const leave = (name: string) => database.transaction(async (sql) => {
			const { present } = (await sql.get(`SELECT count(*) AS present FROM counters WHERE name IN ('left', 'right') AND value = 1`)) as { present: number };
			return present === 2 ? sql.run('UPDATE counters SET value = 0 WHERE name = :name', { name }) : 0;
		});
		t.deepEqual((await Promise.all([leave('left'), leave('right')])).sort(), [0, 1]);
	});

	backend.test(title('what has been over for long is forgotten, with what belongs to it alone, and nothing else'), async (t) => {
		const store = await backend.store(t);
		await joinNode(store);
		const enrol = async (names: { commonName: string }, notAfter: Date) => {
			const authorization = newAuthorization(names);
			const hash = await mint(store, authorization);
			const certificate = newCertificate({ ...names, node: 'host1', authorizationId: authorization.id, startId: 'one', notAfter });
			await store.redeemToken(hash, certificate, attempt(certificate.publicKeyHash), SYSTEM);
			return { authorization, certificate, hash };
		};
		const [over, running, compromised] = [
			await enrol({ commonName: 'over' }, later(99)), await enrol({ commonName: 'running' }, later(100)), await enrol({ commonName: 'compromised' }, later(100)),
		];
		const live = await enrol({ commonName: 'live' }, later(10_000));
		await store.revoke({ by: 'commonName', value: 'compromised' }, undefined, 'keyCompromise', NOW, SYSTEM);
		for (const { authorization } of [over, compromised]) await store.endAuthorization(authorization.id, undefined, later(50), SYSTEM);

		t.is(await store.forgetExpired(later(99), 100), 0, 'what ends at this very moment stays');
		t.is(await store.forgetExpired(later(200), 100), 0, 'what a token refers to stays');
		t.is((await store.findToken(over.hash))?.redeemed?.certificate.serial, over.certificate.serial);
		await store.forgetTokens(later(200));
		t.is(await store.forgetExpired(later(200), 1), 2, 'at most so many of a kind');
		t.is(await store.forgetExpired(later(200), 100), 3);
		t.is(await store.forgetExpired(later(200), 100), 0);

		const known = await Promise.all([over, running, compromised, live].map(async ({ certificate, authorization }) => [
			(await store.findCertificate(certificate.serial)) !== undefined, (await store.findAuthorization(authorization.id)) !== undefined,
		]));
		t.deepEqual(known, [[false, false], [false, true], [false, false], [true, true]]);
		await t.throwsAsync(store.addRenewal(newCertificate({ parentSerial: live.certificate.serial, publicKeyHash: compromised.certificate.publicKeyHash }), SYSTEM), { code: 'csr-key-compromised' });
		t.is((await store.findNode('host1'))?.status, 'active');
	});

	backend.test(title('who trusts which bundle is forgotten with the last certificate of the chain, and not before'), async (t) => {
		const database = await backend.database(t);
		const store = createStore(database);
		const chains = await Promise.all([[10], [10, 10_000], [10_000]].map(async (ends) => {
			const { chain } = newCertificate();
			for (const seconds of ends) await store.addCertificate(newCertificate({ chain, notAfter: later(seconds) }), SYSTEM);
			await store.acknowledgeBundle(chain, Buffer.alloc(32), NOW);
			return chain;
		}));
		t.is(await store.forgetExpired(later(1000), 100), 2);
		const rows = await database.read((sql) => sql.all('SELECT chain FROM acknowledgements'));
		t.deepEqual(rows.map((row) => row['chain'] as string).sort(), chains.slice(1).sort());
	});

	backend.test(title('identities come in pages, the newest first, none twice and none left out'), async (t) => {
		const store = await backend.store(t);
		await joinNode(store);
		for (let index = 0; index < 7; index++) await store.addCertificate(newCertificate({ node: 'host1' }), SYSTEM);
		const whole = await store.listIdentities({ now: NOW, all: false, limit: 100 });
		t.is(whole.length, 8);
		const pages: typeof whole[] = [];
		for (let after: number | undefined; pages.at(-1)?.length !== 0; after = pages.at(-1)!.at(-1)?.sequence) {
			pages.push(await store.listIdentities({ now: NOW, all: false, limit: 3, ...(after !== undefined && { after }) }));
		}
		t.deepEqual(pages.map((page) => page.length), [3, 3, 2, 0]);
		t.deepEqual(pages.flat(), [...whole]);
	});

	backend.test(title('a closed store refuses everything, and closing again is no error'), async (t) => {
		const store = await backend.store(t);
		await store.close();
		await store.close();
		t.like(await t.throwsAsync(store.check()), { code: 'ca-unavailable' });
		t.like(await t.throwsAsync(store.findNode('host1')), { code: 'ca-unavailable' });
	});
}

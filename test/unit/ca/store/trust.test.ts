/** Changes of the trust on both databases: whom they wait for, who is too late for them, and what a compromise brings down. */

import test from 'ava';
import { randomBytes } from 'node:crypto';
import { createStore } from '../../../../ca/store/create-store.ts';
import { insertCertificate } from '../../../../ca/store/certificates.ts';
import { SYSTEM } from '../../../../ca/store/records.ts';
import { StaleIssuerError } from '../../../../ca/store/stale-issuer.ts';
import type { AuthorityRecord, AuthorityState, TrustChange } from '../../../../ca/store/trust-records.ts';
import { createTrust } from '../../../../ca/store/trust.ts';
import { attempt, joinNode, later, mint, newAuthorization, newCertificate, NOW } from '../../../support/records.ts';
import { backends } from '../../../support/stores.ts';

const authority = (generation: number, state: AuthorityState): AuthorityRecord => ({
	generation, state, isManual: false, root: '', intermediate: '', rootRevocationList: '', createdAt: NOW, changedAt: NOW,
});
const changeTo = (version: number, authorities: readonly AuthorityRecord[] = []): TrustChange => ({
	next: { version, authorities, bundles: [] }, action: 'rotation.finish', at: NOW,
});

for (const { name, test: onBackend, database } of backends(test)) {
	for (const portion of [1, 2, 3, 100]) {
		onBackend(`every certificate of a void generation is revoked, by ${portion} at once, and no other (${name})`, async (t) => {
			const opened = await database(t);
			const store = createStore(opened);
			const certificates = [1, 1, 2, 1, 1, 2, 1].map((issuerGeneration) => newCertificate({ issuerGeneration }));
			for (const certificate of certificates) await store.addCertificate(certificate, SYSTEM);
			const next = { version: 1, authorities: [], bundles: [] };
			const revoked = await createTrust(opened, portion).changeTrust({ next, action: 'rotation.start', at: later(1), voided: [1] }, SYSTEM);
			t.is(revoked, 5);
			for (const { serial, issuerGeneration } of certificates) {
				const { revokedAt, revocationReason } = (await store.findCertificate(serial))!;
				t.deepEqual([revokedAt, revocationReason], issuerGeneration === 1 ? [later(1), 'cACompromise'] : [undefined, undefined]);
			}
		});
	}

	onBackend(`a change that would cut somebody off is not made (${name})`, async (t) => {
		const store = createStore(await database(t));
		const [old, next] = [randomBytes(32), randomBytes(32)];
		await store.addCertificate(newCertificate({ issuerGeneration: 2, bundleDigest: old }), SYSTEM);
		t.is(await store.changeTrust({ ...changeTo(1), unless: { withoutBundle: [next] } }, SYSTEM), 'waits');
		t.is(await store.changeTrust({ ...changeTo(1), unless: { underOld: [2] } }, SYSTEM), 'waits');
		t.is(await store.trustVersion(), 0);
		t.is(await store.changeTrust({ ...changeTo(1), unless: { withoutBundle: [old], underOld: [1] } }, SYSTEM), 0);
		t.is(await store.trustVersion(), 1);
		t.is(await store.changeTrust({ ...changeTo(1), unless: { underOld: [2] } }, SYSTEM), undefined, 'whoever is too late is told that');
	});

	onBackend(`a token that was found good by a generation that is out of use by now is neither redeemed nor burnt (${name})`, async (t) => {
		const store = createStore(await database(t));
		await store.changeTrust(changeTo(1, [authority(1, 'retired'), authority(2, 'active')]), SYSTEM);
		await joinNode(store, 'host1', 2);
		const hash = await mint(store, newAuthorization());
		const certificate = newCertificate({ issuerGeneration: 2 });
		const redeem = (generations: number[]) => store.redeemToken(hash, certificate, { ...attempt(certificate.publicKeyHash), generations }, SYSTEM);
		await t.throwsAsync(redeem([1, 2]), { instanceOf: StaleIssuerError });
		t.is(await store.findCertificate(certificate.serial), undefined);
		t.is((await redeem([2])).outcome, 'issued');
	});

	onBackend(`whoever is issued a certificate while a change looks is waited for (${name})`, async (t) => {
		const opened = await database(t);
		const store = createStore(opened);
		await store.changeTrust(changeTo(1, [authority(1, 'active')]), SYSTEM);
		const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
		const issuing = opened.transaction(async (sql) => {
			await insertCertificate(sql, newCertificate(), SYSTEM);
			begun.resolve();
			await goOn.promise;
		}, 'issue');
		await begun.promise;
		const change = store.changeTrust({ ...changeTo(2, [authority(1, 'active')]), unless: { withoutBundle: [randomBytes(32)] } }, SYSTEM);
		goOn.resolve();
		await issuing;
		t.is(await change, 'waits');
	});

	onBackend(`a change gets its turn among those who never stop to enrol (${name})`, async (t) => {
		const store = createStore(await database(t));
		const bundleDigest = randomBytes(32);
		let isOver = false;
		const crowd = Array.from({ length: 4 }, async () => {
			while (!isOver) await store.addCertificate(newCertificate({ bundleDigest }), SYSTEM);
		});
		try {
			for (let version = 1; version <= 5; version++) {
				t.is(await store.changeTrust({ ...changeTo(version, [authority(1, 'active')]), unless: { withoutBundle: [bundleDigest] } }, SYSTEM), 0);
			}
		} finally {
			isOver = true;
			await Promise.all(crowd);
		}
	});

	onBackend(`a compromise before there is any certificate changes the trust and revokes none (${name})`, async (t) => {
		const { changeTrust, readTrust } = createTrust(await database(t));
		t.is(await changeTrust({ next: { version: 1, authorities: [], bundles: [] }, action: 'rotation.start', at: NOW, voided: [1] }, SYSTEM), 0);
		t.is((await readTrust()).version, 1);
	});
}

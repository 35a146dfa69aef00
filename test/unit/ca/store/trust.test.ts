/** What a compromise brings down, on both databases. */

import test from 'ava';
import { createStore } from '../../../../ca/store/create-store.ts';
import { SYSTEM } from '../../../../ca/store/records.ts';
import { createTrust } from '../../../../ca/store/trust.ts';
import { later, newCertificate, NOW } from '../../../support/records.ts';
import { backends } from '../../../support/stores.ts';

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

	onBackend(`a compromise before there is any certificate changes the trust and revokes none (${name})`, async (t) => {
		const { changeTrust, readTrust } = createTrust(await database(t));
		t.is(await changeTrust({ next: { version: 1, authorities: [], bundles: [] }, action: 'rotation.start', at: NOW, voided: [1] }, SYSTEM), 0);
		t.is((await readTrust()).version, 1);
	});
}

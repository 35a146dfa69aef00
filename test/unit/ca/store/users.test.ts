/** Users and the use of their tokens, on each of the store's backends. */

import test from 'ava';
import { randomBytes } from 'node:crypto';
import { SYSTEM, type UserRecord } from '../../../../ca/store/records.ts';
import { answered } from '../../../support/ask-again.ts';
import { attempt, later, newCertificate, NOW } from '../../../support/records.ts';
import { backends } from '../../../support/stores.ts';

const alice: UserRecord = { name: 'alice', publicKey: 'key', algorithm: 'ES256', allow: ['api*/web-api'], status: 'active', createdAt: NOW };
const claim = (jti = 'one') => ({ user: 'alice', publicKey: 'key', jti, issuedAt: NOW, expiresAt: later(60) });

for (const backend of backends(test)) {
	const title = (text: string): string => `${backend.name}: ${text}`;

	backend.test(title('a user comes back as it was stored, and is cut off with all it enrolled'), async (t) => {
		const store = await backend.store(t);
		t.is(await store.findUser('alice'), undefined);
		t.is(await store.cutOffUser('alice', NOW, SYSTEM), undefined);
		t.false(await store.setUserAllow('alice', [], NOW, SYSTEM));
		t.is(await store.putUser(alice, SYSTEM), 'put');
		t.deepEqual(await store.findUser('alice'), alice);
		const certificate = newCertificate({ userName: 'alice' });
		t.like(await store.redeemUserToken(claim(), certificate, attempt(certificate.publicKeyHash), SYSTEM), { outcome: 'issued' });
		t.deepEqual(await store.findTokenUse('alice', 'one'), { at: NOW, certificate });
		t.is(await store.findTokenUse('bob', 'one'), undefined);
		t.deepEqual(await store.listUsers(NOW), [{ ...alice, liveIdentities: 1 }]);
		t.true(await store.setUserAllow('alice', ['*/*'], NOW, SYSTEM));
		t.is(await store.cutOffUser('alice', NOW, SYSTEM), 1);
		t.deepEqual(await store.listUsers(NOW), [{ ...alice, allow: ['*/*'], status: 'cut-off', liveIdentities: 0 }]);
		t.like(await store.findCertificate(certificate.serial), { revokedAt: NOW, revocationReason: 'privilegeWithdrawn' });
		const { entries } = await store.nextRevocationList({ generation: 1, partition: 0 }, NOW, NOW);
		t.deepEqual(entries.map(({ serial }) => serial), [certificate.serial]);
		t.deepEqual(await store.redeemUserToken(claim('two'), newCertificate({ userName: 'alice' }), attempt(), SYSTEM), { outcome: 'cut-off' });
	});

	backend.test(title('of many who bring one user\'s token at once, one gets a certificate'), async (t) => {
		const store = await backend.store(t);
		await store.putUser(alice, SYSTEM);
		const outcomes = await Promise.all(Array.from({ length: 100 }, () => {
			const certificate = newCertificate({ userName: 'alice' });
			return answered(() => store.redeemUserToken(claim(), certificate, attempt(certificate.publicKeyHash), SYSTEM));
		}));
		t.deepEqual(outcomes.map(({ outcome }) => outcome).sort(), ['issued', ...Array.from({ length: 99 }, () => 'used')]);
		const publicKeyHash = randomBytes(32);
		const repeats = await Promise.all(Array.from({ length: 20 }, () => answered(() => store.redeemUserToken(claim('two'), newCertificate({ userName: 'alice', publicKeyHash }), attempt(publicKeyHash), SYSTEM))));
		t.deepEqual(repeats.map(({ outcome }) => outcome).sort(), ['issued', ...Array.from({ length: 19 }, () => 'repeat')]);
	});

	backend.test(title('a user who was cut off comes back with another key, an active one does not change its key'), async (t) => {
		const store = await backend.store(t);
		await store.putUser(alice, SYSTEM);
		t.is(await store.putUser({ ...alice, publicKey: 'other' }, SYSTEM), 'exists');
		t.is(await store.putUser({ ...alice, allow: [] }, SYSTEM), 'put');
		await store.cutOffUser('alice', NOW, SYSTEM);
		t.is(await store.putUser({ ...alice, publicKey: 'other' }, SYSTEM), 'put');
		t.deepEqual(await store.redeemUserToken(claim(), newCertificate({ userName: 'alice' }), attempt(), SYSTEM), { outcome: 'cut-off' });
	});

	backend.test(title('cutting a user off leaves nothing alive, whatever is issued or renewed at that moment'), async (t) => {
		const store = await backend.store(t);
		for (let round = 0; round < 10; round++) {
			await store.putUser(alice, SYSTEM);
			const [first, second] = [newCertificate({ userName: 'alice' }), newCertificate({ userName: 'alice' })];
			await store.redeemUserToken(claim(`first ${round}`), first, attempt(first.publicKeyHash), SYSTEM);
			const renewed = newCertificate({ userName: 'alice', parentSerial: first.serial });
			await Promise.all([
				answered(() => store.redeemUserToken(claim(`second ${round}`), second, attempt(second.publicKeyHash), SYSTEM)),
				answered(() => store.addRenewal(renewed, SYSTEM)),
				answered(() => store.cutOffUser('alice', NOW, SYSTEM)),
			]);
			t.is((await store.listUsers(NOW))[0]?.liveIdentities, 0);
		}
	});

	backend.test(title('the use of a token is remembered until long after its end'), async (t) => {
		const store = await backend.store(t);
		await store.putUser(alice, SYSTEM);
		await store.redeemUserToken(claim(), newCertificate({ userName: 'alice' }), attempt(), SYSTEM);
		await store.forgetTokenUses(later(60));
		t.not(await store.findTokenUse('alice', 'one'), undefined);
		await store.forgetTokenUses(later(61));
		t.is(await store.findTokenUse('alice', 'one'), undefined);
	});
}

/** Which signer answers when: also at the end of its issuer, and when clocks step. */

import test from 'ava';
import { randomBytes } from 'node:crypto';
import { onlyAuthority } from '../../../../ca/issuance/authorities.ts';
import { createAuthority } from '../../../../ca/issuance/authority.ts';
import { createOcspSigners } from '../../../../ca/revocation/ocsp-signers.ts';
import { movableClock } from '../../../support/ca.ts';
import { testAuthorityProfile } from '../../../support/domain.ts';

const HOUR = 3600;

test('the last signer of an issuer that is about to end serves to that end, and is made anew when the clock is set back', async (t) => {
	const clock = movableClock();
	const authority = onlyAuthority(createAuthority(1, { clock, random: randomBytes, backdateSeconds: 60, trustDomain: 'example.org', profile: testAuthorityProfile() })).current().active;
	const made: unknown[] = [];
	const signers = createOcspSigners({ store: { addEvent: async (_, event) => void made.push(event) }, clock, random: randomBytes, environment: 'test', backdateSeconds: 60, lifetimeSeconds: 24 * HOUR });
	const end = authority.issuer.notAfter;
	clock.advance((end.getTime() - clock.now().getTime()) / 1000 - 10 * HOUR);
	const last = await signers.of(authority);
	t.deepEqual(last.notAfter, end);
	clock.advance(9 * HOUR);
	t.is(await signers.of(authority), last);
	clock.advance(-15 * HOUR);
	const earlier = await signers.of(authority);
	t.true(earlier.notBefore <= clock.now());
	t.is(await signers.of(authority), earlier);
	t.is(made.length, 2);
});

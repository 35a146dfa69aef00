import test, { type ExecutionContext } from 'ava';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import type { IdentityList } from '#common/protocol/messages.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { createCaClient } from '../../../agent/ca-client.ts';
import { enrol } from '../../../agent/enrol.ts';
import { createBundleFollower } from '../../../agent/follow-bundle.ts';
import { keepRenewed } from '../../../agent/renewal-loop.ts';
import { renew } from '../../../agent/renew.ts';
import { systemSleep } from '../../../agent/sleep.ts';
import { readIdentity } from '../../../agent/store.ts';
import { fakeDemands } from '../../fakes/demands.ts';
import { tmpfsDirectory } from '../../fakes/tmpfs.ts';
import { movableClock, startCa, type TestCa } from '../../support/ca.ts';
import { startLowerCa, startUpperCa } from '../../support/external-ca.ts';
import { addUser } from '../../support/user.ts';

const never = new AbortController().signal;

async function container(t: ExecutionContext, ca: TestCa, token: string) {
	const directory = tmpfsDirectory(t);
	const tokenPath = join(directory, 'token');
	writeFileSync(tokenPath, token);
	const deps = { ca: createCaClient([{ host: '127.0.0.1', port: ca.port }]), clock: systemClock, random: Math.random, sleep: systemSleep, bundleCheckSeconds: 600, logger: silentLogger };
	return { directory, tokenPath, deps, enrol: () => enrol({ directory, tokenPath, timeoutSeconds: 60, signal: never }, deps) };
}

async function refused(t: ExecutionContext, running: Promise<unknown>, code: ErrorCode): Promise<void> {
	const error = await t.throwsAsync(running, { instanceOf: BirthmarkError });
	t.is(error.code, code, error.message);
}

test('a container enrols and renews at the CA', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01', organizationalUnit: 'web-api', dnsNames: ['api'] });
	const { directory, deps, enrol } = await container(t, ca, await ca.mint(node, id));
	const first = (await enrol()).leaf;
	t.is(first.spiffeId, 'spiffe://birthmark.internal/production/web-api/api01');
	t.deepEqual(first.dnsNames, ['api01', 'api']);
	const second = (await renew(directory, never, deps)).leaf;
	t.not(second.serial, first.serial);
	t.is(second.spiffeId, first.spiffeId);
	t.is(readIdentity(directory)!.leaf.serial, second.serial);
});

test('a token that was used, by whomever, is refused and said so', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	const token = await ca.mint(node, id);
	await (await container(t, ca, token)).enrol();
	const thief = await container(t, ca, token);
	await refused(t, thief.enrol(), 'token-used');
	t.false(existsSync(join(thief.directory, 'current')));
});

test('a token that is too old is refused and said so', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock, config: { tokenTtlSeconds: 20 } });
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	const { enrol } = await container(t, ca, await ca.mint(node, id));
	clock.advance(30);
	await refused(t, enrol(), 'token-expired');
});

test('a token of another CA is not shown to this one', async (t) => {
	const [ca, other] = [await startCa(t), await startCa(t)];
	const node = await other.join('host1');
	const { id } = await other.authorize(node, { commonName: 'api01' });
	const { enrol, tokenPath } = await container(t, ca, await other.mint(node, id));
	await refused(t, enrol(), 'bundle-digest-mismatch');
	t.true(existsSync(tokenPath));
});

test('when its container is gone from the CA\'s point of view, an identity is not renewed any more', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	const { directory, deps, enrol } = await container(t, ca, await ca.mint(node, id));
	await enrol();
	t.is((await ca.request('DELETE', `/v1/authorizations/${id}`, { credentials: node })).status, 204);
	const error = await t.throwsAsync(renew(directory, never, deps), { instanceOf: BirthmarkError });
	t.true(['certificate-revoked', 'authorization-ended'].includes(error.code), error.code);
	// The loop ends by itself: there is nothing to wait for any more.
	const clock = movableClock(new Date());
	await keepRenewed(directory, never, { ...deps, watchDemands: fakeDemands, sleep: async (milliseconds) => clock.advance(milliseconds / 1000), clock });
	t.truthy(readIdentity(directory));
});

test('a container takes a certificate that an external CA has signed, by the bundle that its token pins, and renews it', async (t) => {
	const upper = await startUpperCa(t);
	const ca = await startLowerCa(t, `protocol=cfssl,url=${upper.signUrl},${upper.files}`);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01', organizationalUnit: 'web-api' });
	const { directory, deps, enrol } = await container(t, ca, await ca.mint(node, id));
	const { leaf } = await enrol();
	t.is(leaf.spiffeId, 'spiffe://birthmark.internal/production/web-api/api01');
	t.like((await upper.admin('GET', `/v1/identities/${leaf.serial}`)).json<IdentityList>().identities[0], { status: 'live' });
	t.not((await renew(directory, never, deps)).leaf.serial, leaf.serial);
	// It is not of an issuer of this CA, and none that is about to go.
	t.false(await createBundleFollower(directory, deps)(never));
});

test('a container enrols with a token that a user signed, and pins the CA with it', async (t) => {
	const ca = await startCa(t);
	const alice = await addUser(ca, 'alice', ['api*/web-api']);
	const { enrol, directory, deps } = await container(t, ca, await alice.token({ dns: ['api01.internal'] }));
	const { leaf } = await enrol();
	t.is(leaf.spiffeId, 'spiffe://birthmark.internal/production/web-api/api01');
	t.deepEqual(leaf.dnsNames, ['api01', 'api01.internal']);
	t.not((await renew(directory, never, deps)).leaf.serial, leaf.serial);
	await refused(t, (await container(t, ca, await alice.token({ aud: '0'.repeat(64) }))).enrol(), 'bundle-digest-mismatch');
	await refused(t, (await container(t, ca, 'a.b.c')).enrol(), 'token-malformed');
});

/** A rotation with several instances, and with processes that end in the middle of it. */

import test, { type ExecutionContext } from 'ava';
import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RotationStatus } from '#common/protocol/messages.ts';
import { systemClock } from '#common/runtime/clock.ts';
import { silentLogger } from '#common/runtime/log.ts';
import { authorityProfile } from '../../../../ca/issuance/authority-profile.ts';
import { openAuthorities } from '../../../../ca/issuance/authorities.ts';
import { createRotation, type Rotation } from '../../../../ca/issuance/rotate.ts';
import { openState } from '../../../../ca/open-state.ts';
import { initCa } from '../../../../ca/init.ts';
import { loadConfig, serveCa } from '../../../../ca/serve.ts';
import { SYSTEM } from '../../../../ca/store/records.ts';
import { clientOf, newKey, sha256, startBeside, startCa, temporaryFolder, type TestCa } from '../../../support/ca.ts';
import { startCaProcess } from '../../../support/ca-process.ts';
import { postgresFor } from '../../../support/stores.ts';
import { addUser } from '../../../support/user.ts';

const postgres = postgresFor(test);
const rotation = { settleSeconds: 0 };

async function twoInstances(t: ExecutionContext): Promise<[TestCa, TestCa]> {
	const ca = await startCa(t, { config: { rotation, database: { url: await (await postgres.server()).newDatabase() } } });
	return [ca, await startBeside(t, ca)];
}

const step = async (ca: Pick<TestCa, 'admin'>, path: string, body: object = {}): Promise<RotationStatus> => (await ca.admin('POST', `/v1/rotation${path}`, body)).json<RotationStatus>();
const status = async (ca: Pick<TestCa, 'admin'>): Promise<RotationStatus> => (await ca.admin('GET', '/v1/rotation')).json<RotationStatus>();
const issuerOf = (pem: string): string => new X509Certificate(pem).issuer.split('\n').at(-1)!;
const FIRST = 'CN=Birthmark Intermediate CA';
const SECOND = 'CN=Birthmark Intermediate CA 2';

postgres.test('what one instance does in a rotation the other does at once, and issues nothing by the old keys', async (t) => {
	const [one, other] = await twoInstances(t);
	const node = await one.join('host1');
	const web = await other.enrol(node, 'web01', 'web');
	t.is(issuerOf(web.cert), FIRST);
	const { digest } = await step(one, '', { changes: 'root', isManual: true });
	await other.lookAfter();
	t.is(sha256((await other.admin('GET', '/v1/roots')).body), digest);
	t.like(await step(other, '/activate', { force: true }), { stage: 'retiring' });
	// It may not have looked yet; what it signs by the old keys is refused by the store, and signed again.
	const late = await one.enrol(node, 'web02', 'web');
	t.is(issuerOf(late.cert), SECOND);
	const key = newKey();
	const renewed = await one.request('POST', '/v1/renew', { credentials: web, body: key.csr() });
	t.is(issuerOf(renewed.text), SECOND);
	for (const ca of [one, other]) {
		t.is((await ca.request('GET', '/v1/whoami', { credentials: { key: key.pem, cert: renewed.text } })).status, 200);
		t.is((await ca.request('GET', '/v1/whoami', { credentials: web })).status, 200);
	}
	await step(one, '/finish', { force: true });
	await other.lookAfter();
	t.deepEqual((await other.admin('GET', '/v1/roots')).body, (await one.admin('GET', '/v1/roots')).body);
});

postgres.test('tokens that one instance minted right after a step are good at another that has not looked yet', async (t) => {
	const [one, other] = await twoInstances(t);
	const node = await one.join('host1', ['*/*']);
	const { id } = await one.authorize(node, { commonName: 'web01' });
	const { digest } = await step(one, '', { changes: 'root', isManual: true });
	const [token, joinToken] = [await one.mint(node, id), await one.joinToken({ role: 'node' })];
	const body = { csr: newKey().csr(), name: 'host2' };
	t.is((await other.request('POST', '/v1/join', { headers: { authorization: `Bearer ${joinToken}` }, body })).status, 201);
	t.is((await other.sign(token, newKey())).status, 200);
	t.is(sha256((await other.request('GET', `/v1/roots?digest=${digest}`)).body), digest);
});

postgres.test('of two instances that take a step at once, one does', async (t) => {
	const instances = await twoInstances(t);
	for (const [path, body] of [['', { changes: 'root', isManual: true }], ['/activate', { force: true }], ['/finish', { force: true }]] as const) {
		const answers = await Promise.all([...instances, ...instances].map((ca) => ca.admin('POST', `/v1/rotation${path}`, body)));
		t.deepEqual(answers.map((answer) => answer.status).sort(), [200, 409, 409, 409], path);
	}
	t.is((await status(instances[1])).generations.length, 1);
});

postgres.test('a compromised key is void at every instance', async (t) => {
	const [one, other] = await twoInstances(t);
	const node = await one.join('host1');
	await step(one, '', { changes: 'intermediate', isCompromised: true });
	t.is((await other.request('GET', '/v1/whoami', { credentials: node })).json()['code'], 'certificate-revoked');
	t.is((await other.request('GET', '/v1/whoami', { credentials: await other.join('host2') })).status, 200);
});

postgres.test('one more instance needs the configuration and the key-encryption key, and no folder to copy', async (t) => {
	const [one] = await twoInstances(t);
	const state = join(temporaryFolder(t), 'empty');
	const url = (await loadConfig(one.state, {})).database.url!;
	const env = { DATABASE_URL: url, BIRTHMARK_CA_LISTEN_HOST: '127.0.0.1', BIRTHMARK_CA_LISTEN_PORT: '0', BIRTHMARK_CA_KEY_ENCRYPTION_FILE: join(one.state, 'key-encryption.key') };
	const ca = await serveCa({ state, config: await loadConfig(state, env), env, logger: silentLogger });
	t.teardown(() => ca.close());
	t.deepEqual(ca.bundle, one.bundle);
	const client = clientOf({ port: ca.address.port, bundle: ca.bundle, adminSocket: ca.adminSocket });
	t.is((await client.request('GET', '/readyz')).status, 200);
	const again = await t.throwsAsync(initCa({ state: join(temporaryFolder(t), 'other'), env: { DATABASE_URL: url } }));
	t.like(again, { code: 'ca-exists' });
	const wrong = { ...env, BIRTHMARK_CA_KEY_ENCRYPTION_FILE: '', BIRTHMARK_CA_KEY_ENCRYPTION_KEY: 'another key altogether' };
	t.like(await t.throwsAsync(serveCa({ state: join(temporaryFolder(t), 'third'), config: await loadConfig(state, wrong), env: wrong, logger: silentLogger })), { code: 'config-invalid' });
});

postgres.test('of several that make a CA on one server at once, one does', async (t) => {
	const url = await (await postgres.server()).newDatabase();
	const states = Array.from({ length: 3 }, () => join(temporaryFolder(t), 'state'));
	const results = await Promise.allSettled(states.map((state) => initCa({ state, env: { DATABASE_URL: url } })));
	t.deepEqual(results.map((result) => (result.status === 'fulfilled' ? 'made' : (result.reason as { code?: string }).code)).sort(), ['ca-exists', 'ca-exists', 'made']);
});

/**
 * A process that ends between its transaction and whatever it would have done next.
 *
 * @param between happens after it has looked for those who are waited for, and before its transaction
 */
async function withoutFollowing(t: ExecutionContext, state: string, between: () => Promise<void> = async () => undefined): Promise<Rotation & { digest(): Promise<string> }> {
	const config = await loadConfig(state, {});
	const { store, vault, authorities } = await openState({ state, config, env: {}, clock: systemClock });
	t.teardown(() => store.close());
	const changeTrust: typeof store.changeTrust = async (...args) => {
		await between();
		return store.changeTrust(...args);
	};
	const rotation = createRotation({
		store: { ...store, changeTrust }, vault, authorities, clock: systemClock, random: randomBytes, backdateSeconds: 60, trustDomain: config.trustDomain,
		profile: authorityProfile(config), settleSeconds: 0, logger: silentLogger, follow: async () => undefined,
	});
	return { ...rotation, digest: async () => (await store.readTrust()).bundles.at(-1)!.digest.toString('hex') };
}

test('a step whose process ended before it told anybody is taken over by the others, whichever step it was', async (t) => {
	const ca = await startCa(t, { config: { rotation } });
	const node = await ca.join('host1');
	const dying = await withoutFollowing(t, ca.state);
	const steps: Array<[string, () => Promise<unknown>, number]> = [
		['start', () => dying.start({ changes: 'root', isManual: true }, SYSTEM), 2],
		['abort', () => dying.abort(SYSTEM), 1],
		['start again', () => dying.start({ changes: 'root', isManual: true }, SYSTEM), 2],
		['activate', () => dying.activate(true, SYSTEM), 2],
		['abort when retiring', () => dying.abort(SYSTEM), 2],
		['abort of that', () => dying.abort(SYSTEM), 2],
	];
	for (const [name, take, generations] of steps) {
		await take();
		await ca.lookAfter();
		const now = await status(ca);
		t.is(now.generations.length, generations, name);
		t.is(sha256((await ca.admin('GET', '/v1/roots')).body), now.digest, name);
		const active = now.generations.find(({ state }) => state === 'active')!.generation;
		const { cert } = await ca.enrol(node, `web-${name.replaceAll(' ', '-')}`, 'web');
		t.is(issuerOf(cert), active === 1 ? FIRST : `${FIRST} ${active}`, name);
		t.is((await ca.request('GET', '/v1/whoami', { credentials: node })).status, 200, name);
	}
	await dying.finish(true, SYSTEM);
	await ca.lookAfter();
	t.is((await status(ca)).stage, 'idle');
});

for (const isManual of [true, false]) {
	test(`a step ${isManual ? 'that an operator takes' : 'that is due'} waits also for whoever is enrolled after it has looked for those who are waited for`, async (t) => {
		const ca = await startCa(t, { config: { rotation: { settleSeconds: 600 } } });
		const node = await ca.join('host1', ['*/*']);
		const token = await ca.mint(node, (await ca.authorize(node, { commonName: 'web01' })).id);
		const first = await withoutFollowing(t, ca.state);
		await first.start({ changes: 'root', isManual }, SYSTEM);
		await ca.lookAfter();
		t.is((await ca.request('POST', '/v1/bundle/acknowledge', { credentials: node, body: { digest: await first.digest() } })).status, 200);
		let came: number | undefined;
		const elsewhere = await withoutFollowing(t, ca.state, async () => {
			came = (await ca.sign(token, newKey())).status;
		});
		if (isManual) t.like(await t.throwsAsync(elsewhere.activate(false, SYSTEM)), { code: 'rotation-waits' });
		else await elsewhere.advance();
		t.is(came, 200);
		await ca.lookAfter();
		t.like(await status(ca), { stage: 'prepared', withoutBundle: { count: 1 } });
	});
}

for (const kind of ['container', 'join', 'user'] as const) {
	test(`an instance that has not seen the end of a rotation redeems no ${kind} token of the bundle that went with it`, async (t) => {
		const ca = await startCa(t, { config: { rotation } });
		const ask = {
			async container() {
				const token = await ca.mint(node, (await ca.authorize(node, { commonName: 'web01' })).id);
				return () => ca.sign(token, newKey());
			},
			async join() {
				const token = await ca.joinToken({ role: 'node' });
				return () => ca.request('POST', '/v1/join', { headers: { authorization: `Bearer ${token}` }, body: { csr: newKey().csr(), name: 'host2' } });
			},
			async user() {
				const token = await (await addUser(ca, 'bob', ['*/*'])).token();
				return () => ca.sign(token, newKey());
			},
		};
		const node = await ca.join('host1', ['*/*']);
		const redeem = await ask[kind]();
		const elsewhere = await withoutFollowing(t, ca.state);
		await elsewhere.start({ changes: 'root', isManual: true }, SYSTEM);
		await elsewhere.activate(true, SYSTEM);
		await ca.lookAfter();
		await elsewhere.finish(true, SYSTEM);
		t.is((await redeem()).json()['code'], 'token-unknown');
	});
}

test('an instance that is asked about a bundle that another has just published looks before it says no', async (t) => {
	const ca = await startCa(t, { config: { rotation } });
	const operator = await ca.join('alice', [], 'operator');
	const bob = await addUser(ca, 'bob', ['*/*']);
	const elsewhere = await withoutFollowing(t, ca.state);
	const asks: Array<(digest: string) => Promise<unknown>> = [
		async (digest) => t.is((await ca.request('POST', '/v1/bundle/acknowledge', { credentials: operator, body: { digest } })).json()['digest'], digest),
		async (digest) => t.is(sha256((await ca.request('GET', `/v1/roots?digest=${digest}`)).body), digest),
		async (digest) => t.is((await ca.sign(await bob.token({ aud: digest }), newKey())).status, 200),
	];
	for (const ask of asks) {
		await elsewhere.start({ changes: 'root', isManual: true }, SYSTEM);
		await ask(await elsewhere.digest());
		await elsewhere.abort(SYSTEM);
	}
});

test('strangers who ask for what is not there at the same moment cause two looks at the store and no more, and all see what was changed', async (t) => {
	const ca = await startCa(t, { config: { rotation } });
	const elsewhere = await withoutFollowing(t, ca.state);
	const { store, vault } = await openState({ state: ca.state, config: await loadConfig(ca.state, {}), env: {}, clock: systemClock });
	t.teardown(() => store.close());
	let looks = 0;
	const trustVersion = async (): Promise<number> => {
		looks++;
		return store.trustVersion();
	};
	const authorities = await openAuthorities({ store: { trustVersion, readTrust: () => store.readTrust() }, vault });
	const first = authorities.refresh();
	await elsewhere.start({ changes: 'root', isManual: true }, SYSTEM);
	await Promise.all(Array.from({ length: 100 }, () => authorities.refresh()));
	await first;
	t.is(authorities.current().digest.toString('hex'), await elsewhere.digest());
	t.true(looks <= 2, String(looks));
});

test('killed right after a step was answered, the CA begins again at that step', async (t) => {
	const state = join(temporaryFolder(t), 'state');
	mkdirSync(state);
	writeFileSync(join(state, 'config.json'), JSON.stringify({ rotation }));
	let process = await startCaProcess(t, state);
	const node = await process.ca.join('host1');
	for (const [path, body] of [['', { changes: 'root', isManual: true }], ['/activate', { force: true }], ['/abort', {}], ['/abort', {}], ['/finish', { force: true }]] as const) {
		const before = await step(process.ca, path, body);
		await process.kill();
		process = await startCaProcess(t, state);
		t.deepEqual(await status(process.ca), before, path);
		t.is(sha256(process.ca.bundle), before.digest, path);
		if (path !== '/finish') t.is((await process.ca.request('GET', '/v1/whoami', { credentials: node })).status, 200, path);
	}
});

/** The saved login of an operator goes with the CA from one root to the next. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { bundleDigest } from '#common/protocol/token.ts';
import { exportSigningKey, generateSigningKey } from '#common/x509/keys.ts';
import { createFollowingCaClient } from '../../../cli/follow-bundle.ts';
import { loadProfile, saveProfile, type TlsProfile } from '../../../cli/profile.ts';
import { createPki, FakeCa, issueLeaf, leafDefaults, successorOf } from '../../fakes/ca.ts';
import { temporaryFolder } from '../../support/ca.ts';

const oldPki = await createPki();
const newPki = await successorOf(oldPki);
const both = Buffer.concat([oldPki.bundle, newPki.bundle]);
const hex = (bundle: Buffer) => bundleDigest(bundle).toString('hex');

/** Somebody who logged in under the old root; `command` is one that asks the CA one thing. */
async function operator(t: ExecutionContext) {
	const ca = await FakeCa.start(t, oldPki);
	const environment = { BIRTHMARK_HOME: temporaryFolder(t) };
	const key = generateSigningKey();
	const certificate = await issueLeaf({ ...leafDefaults('alice', oldPki, 3600), publicKey: key.publicKey });
	await saveProfile({ way: 'tls', urls: [ca.url], key: exportSigningKey(key), certificate, bundle: oldPki.bundle.toString() }, environment);
	const saved = () => loadProfile(undefined, environment) as TlsProfile;
	const warned: string[] = [];
	const command = async () => (await createFollowingCaClient(saved(), { environment, warn: (sentence) => void warned.push(sentence) }).call('GET', '/v1/roots?command')).body;
	return { ca, environment, saved, warned, command };
}

test('every command looks, and through a whole change of the root the login follows', async (t) => {
	const { ca, saved, warned, command } = await operator(t);
	await command();
	t.deepEqual(ca.acknowledged, [hex(oldPki.bundle)]);
	ca.publish(both);
	await command();
	t.is(saved().bundle, both.toString());
	await ca.use(newPki);
	ca.publish(newPki.bundle);
	await command();
	t.is(saved().bundle, newPki.bundle.toString());
	await command();
	t.deepEqual([...new Set(ca.acknowledged)], [hex(oldPki.bundle), hex(both), hex(newPki.bundle)]);
	t.deepEqual(warned, []);
});

test('what could not be acknowledged is tried again by the next command', async (t) => {
	const { ca, saved, warned, command } = await operator(t);
	ca.publish(both);
	ca.faults['bundle/acknowledge'].push({ kind: 'problem', status: 500, code: 'internal' });
	t.is(await command(), both.toString());
	t.is(saved().bundle, oldPki.bundle.toString());
	t.is(warned.length, 1);
	await command();
	t.is(saved().bundle, both.toString());
});

test('the CA is told of a bundle only when it is saved, and it stays saved when the CA does not hear of it or does not renew', async (t) => {
	const { ca, saved, warned, command } = await operator(t);
	ca.publish(both);
	ca.wantsRenewal = true;
	const told: string[] = [];
	ca.onRequest = (route) => {
		if (route !== 'bundle/acknowledge' || told.push(saved().bundle) !== 2) return;
		ca.faults[route].push({ kind: 'problem', status: 500, code: 'internal' });
	};
	await command();
	t.deepEqual(told, [oldPki.bundle.toString(), both.toString()]);
	t.is(saved().bundle, both.toString());
	ca.onRequest = () => undefined;
	ca.faults.renew.push({ kind: 'problem', status: 500, code: 'internal' });
	await command();
	t.is(saved().bundle, both.toString());
	t.is(ca.acknowledged.at(-1), hex(both));
	t.is(warned.length, 2);
});

test('a bundle that is none, or not the CA\'s, is refused, and the command works all the same', async (t) => {
	const { ca, saved, warned, command } = await operator(t);
	for (const bundle of [Buffer.from('welcome'), (await createPki()).bundle]) {
		ca.publish(bundle);
		t.is(await command(), bundle.toString());
		t.is(saved().bundle, oldPki.bundle.toString());
	}
	t.is(warned.length, 2);
	t.deepEqual([...new Set(ca.acknowledged)], [hex(oldPki.bundle)]);
});

test('a login that was replaced meanwhile is left alone', async (t) => {
	const { ca, environment, saved } = await operator(t);
	const before = saved();
	await saveProfile({ ...before, certificate: 'another', urls: ['https://other.example'] }, environment);
	ca.publish(both);
	await createFollowingCaClient(before, { environment, warn: t.fail }).call('GET', '/v1/roots?command');
	t.deepEqual(saved().urls, ['https://other.example']);
	t.is(saved().bundle, oldPki.bundle.toString());
});

test('an operator whose issuer is about to go has a new certificate after the next command', async (t) => {
	const { ca, saved, warned, command } = await operator(t);
	const before = saved();
	ca.wantsRenewal = true;
	ca.faults.renew.push({ kind: 'certificate', change: { commonName: 'alice' } });
	await command();
	const after = saved();
	t.not(after.key, before.key);
	t.true(new X509Certificate(after.certificate).checkPrivateKey(createPrivateKey(after.key)));
	t.deepEqual(warned, []);
	ca.faults.renew.push({ kind: 'certificate', change: { publicKey: generateSigningKey().publicKey } });
	await command();
	t.is(saved().key, after.key);
	t.is(warned.length, 1);
});

/** Enrolling with a token that a user signed: what is taken, what is refused, and that each is good once. */

import test from 'ava';
import { createHmac, randomBytes, X509Certificate } from 'node:crypto';
import { USER_TOKEN_TYPE } from '#common/protocol/user-token.ts';
import type { Identity, IdentityList, UserInfo } from '#common/protocol/messages.ts';
import { answeredByCa } from '../../../support/ask-again.ts';
import { movableClock, newKey, sha256, startCa, type TestCa } from '../../../support/ca.ts';
import { addUser, strangerOf } from '../../../support/user.ts';

const sign = async (ca: TestCa, token: string, key = newKey()) => ca.sign(token, key);
const code = async (ca: TestCa, token: string): Promise<unknown> => {
	const { status, json } = await sign(ca, token);
	return status === 200 ? 'issued' : json()['code'];
};

for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
	test(`a token that a user signed with ${algorithm} becomes a certificate with its names`, async (t) => {
		const ca = await startCa(t);
		const alice = await addUser(ca, 'alice', ['api*/web-api'], algorithm);
		const { status, text } = await sign(ca, await alice.token({ dns: ['api01.example.internal'] }));
		t.is(status, 200);
		const leaf = new X509Certificate(text);
		t.is(leaf.subject, 'O=production\nOU=web-api\nCN=api01');
		t.is(leaf.subjectAltName, 'DNS:api01, DNS:api01.example.internal, URI:spiffe://birthmark.internal/production/web-api/api01');
		const { identities } = (await ca.admin('GET', '/v1/identities')).json<IdentityList>();
		t.like(identities.find(({ commonName }) => commonName === 'api01'), { role: 'workload', user: 'alice', status: 'live' });
		t.is(identities.find(({ commonName }) => commonName === 'api01')?.node, undefined);
		const { users } = (await ca.admin('GET', '/v1/users')).json<{ users: UserInfo[] }>();
		t.like(users, [{ name: 'alice', algorithm, status: 'active', allow: ['api*/web-api'], liveIdentities: 1 }]);
	});
}

test('a token is good once, and once more for the same key within the window', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock, config: { redemptionWindowSeconds: 60 } });
	const alice = await addUser(ca, 'alice', undefined, 'ES256', clock.now);
	const token = await alice.token({ exp: Math.floor(clock.now().getTime() / 1000) + 30 });
	const key = newKey();
	const first = await sign(ca, token, key);
	t.is(first.status, 200);
	t.is((await sign(ca, token)).json()['code'], 'token-used');
	clock.advance(31);
	t.is((await sign(ca, token, key)).text, first.text, 'a lost answer is answered again, also after the token has expired');
	clock.advance(30);
	t.is((await sign(ca, token, key)).json()['code'], 'token-used');
});

test('a token that was used is not good again when the clock runs ahead for days and is set back', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock });
	const alice = await addUser(ca, 'alice', undefined, 'ES256', clock.now);
	const token = await alice.token();
	t.is(await code(ca, token), 'issued');
	for (const days of [3, -3]) {
		clock.advance(days * 24 * 3600);
		await ca.lookAfter();
	}
	t.is(await code(ca, token), 'token-expired');
	t.is((await ca.admin('GET', '/v1/identities/api01')).json<IdentityList>().identities.length, 1);
});

test('of many who bring one token at once one gets a certificate', async (t) => {
	const ca = await startCa(t);
	const token = await (await addUser(ca, 'alice')).token();
	const answers = await Promise.all(Array.from({ length: 50 }, newKey).map((key) => answeredByCa(() => sign(ca, token, key))));
	t.is(answers.filter(({ status }) => status === 200).length, 1);
	t.deepEqual([...new Set(answers.filter(({ status }) => status !== 200).map(({ json }) => json()['code']))], ['token-used']);
	t.is((await ca.admin('GET', '/v1/identities/api01')).json<IdentityList>().identities.length, 1);
});

test('a token that was used is refused after a restart as well', async (t) => {
	const ca = await startCa(t);
	const alice = await addUser(ca, 'alice');
	const token = await alice.token();
	t.is(await code(ca, token), 'issued');
	await ca.close();
	const again = await startCa(t, { state: ca.state });
	t.is(await code(again, token), 'token-used');
});

test('nothing but the algorithm of the user\'s key is taken', async (t) => {
	const ca = await startCa(t);
	const ec = await addUser(ca, 'alice');
	const rsa = await addUser(ca, 'bob', ['*/*'], 'RS256');
	const [, payload] = (await ec.token()).split('.');
	const kid = (await ca.admin('GET', '/v1/users')).json<{ users: UserInfo[] }>().users.find(({ name }) => name === 'alice')!.keyId;
	const header = (alg: string) => Buffer.from(JSON.stringify({ alg, kid, typ: USER_TOKEN_TYPE })).toString('base64url');
	t.is(await code(ca, `${header('none')}.${payload}.`), 'token-malformed');
	t.is(await code(ca, `${header('none')}.${payload}.AAAA`), 'token-invalid');
	// The classic: the public key, which everybody may know, as the secret of an HMAC.
	const hmac = createHmac('sha256', ec.publicKey).update(`${header('HS256')}.${payload}`).digest('base64url');
	t.is(await code(ca, `${header('HS256')}.${payload}.${hmac}`), 'token-invalid');
	t.is(await code(ca, await rsa.token({ iss: 'alice' })), 'token-invalid', 'another user\'s key');
	t.is(await code(ca, await rsa.token({ iss: 'alice' }, { kid })), 'token-invalid');
	t.is(await code(ca, await rsa.token({}, { alg: 'RS512' })), 'token-invalid');
	t.is(await code(ca, await rsa.token({}, { alg: 'PS256' })), 'token-invalid');
	t.is(await code(ca, await ec.token({}, { kid: 'other' })), 'token-invalid');
	t.is(await code(ca, await ec.token()), 'issued');
});

test('headers other than those of the format are refused', async (t) => {
	const ca = await startCa(t);
	const alice = await addUser(ca, 'alice');
	t.is(await code(ca, await alice.token({}, { typ: 'JWT' })), 'token-malformed');
	t.is(await code(ca, await alice.token({}, { jku: 'https://evil.example/keys' })), 'token-malformed');
	t.is(await code(ca, await alice.token({}, { kid: undefined })), 'token-malformed');
	t.is(await code(ca, await alice.token({}, { cty: 'x' })), 'token-malformed');
});

test('claims are exactly those of the format, and within bounds', async (t) => {
	const ca = await startCa(t);
	const alice = await addUser(ca, 'alice', ['*/*']);
	for (const claim of ['sub', 'ou', 'dns', 'iat', 'nbf', 'exp', 'jti']) t.is(await code(ca, await alice.token({ [claim]: undefined })), 'token-invalid', claim);
	for (const claim of ['iss', 'aud']) t.is(await code(ca, await alice.token({ [claim]: undefined })), 'token-malformed', claim);
	for (const iss of ['', 'a\u0000b', 'a b', 'a/b', 'x'.repeat(65)]) t.is(await code(ca, await alice.token({ iss })), 'token-malformed', JSON.stringify(iss));
	t.is(await code(ca, await alice.token({ admin: true })), 'token-invalid');
	t.is(await code(ca, await alice.token({ jti: 'short' })), 'token-invalid');
	t.is(await code(ca, await alice.token({ dns: 'one' })), 'token-invalid');
	t.is(await code(ca, await alice.token({ exp: 'never' })), 'token-invalid');
	t.is(await code(ca, await alice.token({ aud: [sha256(ca.bundle)] })), 'token-malformed');
	t.is(await code(ca, await alice.token({ aud: sha256(randomBytes(8)) })), 'token-unknown');
	t.is(await code(ca, await alice.token({ sub: 'birthmark-ca' })), 'name-illegal');
	t.is(await code(ca, await alice.token({ dns: ['*.example.internal'] })), 'name-illegal');
	t.is(await code(ca, await alice.token({ dns: Array.from({ length: 16 }, () => 'x'.repeat(253)), sub: 'a'.repeat(2000) })), 'token-malformed');
});

test('a token has one spelling: bits that mean nothing, and a byte order mark, make it no token', async (t) => {
	const ca = await startCa(t);
	const alice = await addUser(ca, 'alice');
	const token = await alice.token();
	const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
	// 64 bytes of signature leave four bits of the last digit unused (RFC 4648 §3.5).
	t.is(await code(ca, token.slice(0, -1) + digits[digits.indexOf(token.at(-1)!) ^ 1]!), 'token-malformed');
	const payload = Buffer.from(token.split('.')[1]!, 'base64url').toString();
	t.is(await code(ca, await alice.signed(`\ufeff${payload}`)), 'token-malformed');
	t.is(await code(ca, await alice.signed(payload)), 'issued', 'the same without it');
});

test('a token counts within its time and for no longer than the CA accepts', async (t) => {
	const clock = movableClock();
	const ca = await startCa(t, { clock, config: { userTokens: { maximumSeconds: 600, skewSeconds: 30 } } });
	const alice = await addUser(ca, 'alice', undefined, 'ES256', clock.now);
	const now = Math.floor(clock.now().getTime() / 1000);
	t.is(await code(ca, await alice.token({ exp: now - 1, iat: now - 60, nbf: now - 60 })), 'token-expired');
	t.is(await code(ca, await alice.token({ exp: now + 601 })), 'token-invalid');
	t.is(await code(ca, await alice.token({ exp: now })), 'token-invalid');
	t.is(await code(ca, await alice.token({ iat: now + 60, nbf: now + 60 })), 'token-invalid');
	t.is(await code(ca, await alice.token({ nbf: now + 60 })), 'token-invalid');
	t.is(await code(ca, await alice.token({ iat: now + 20, nbf: now + 20 })), 'issued', 'a clock that is a little ahead');
});

test('a user names only what its rules allow, DNS names as well', async (t) => {
	const ca = await startCa(t);
	const alice = await addUser(ca, 'alice', ['api??/web-api']);
	const bob = await addUser(ca, 'bob', ['db*/db']);
	t.is(await code(ca, await alice.token({ sub: 'db01', ou: 'db' })), 'name-not-allowed');
	t.is(await code(ca, await alice.token({ dns: ['db01'] })), 'name-not-allowed');
	const token = await bob.token();
	t.is(await code(ca, token), 'name-not-allowed');
	await ca.admin('PATCH', '/v1/users/bob', { allow: ['api01/web-api'] });
	t.is(await code(ca, token), 'issued', 'a refusal burns nothing');
});

test('a CSR of another name, or not signed by its key, burns nothing', async (t) => {
	const ca = await startCa(t);
	const token = await (await addUser(ca, 'alice')).token();
	const post = (body: string | Buffer) => ca.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body });
	t.is((await post(newKey().csr('db01'))).json()['code'], 'token-wrong-name');
	t.is((await post('nonsense')).json()['code'], 'csr-malformed');
	t.is(await code(ca, token), 'issued');
});

test('what is wrong with a token nobody learns who has no key: strangers get one answer', async (t) => {
	const ca = await startCa(t);
	await addUser(ca, 'alice');
	const stranger = await strangerOf(ca, 'alice');
	const unknown = await strangerOf(ca, 'nobody');
	const details = new Set<unknown>();
	for (const token of [await stranger.token(), await stranger.token({ exp: 1 }), await unknown.token({ admin: true })]) details.add((await sign(ca, token)).json()['detail']);
	t.is(details.size, 1);
});

test('the holder renews while the user is active; cutting the user off revokes all it enrolled', async (t) => {
	const ca = await startCa(t);
	const alice = await addUser(ca, 'alice', ['*/*']);
	const key = newKey();
	const credentials = { key: key.pem, cert: (await sign(ca, await alice.token(), key)).text };
	const next = newKey();
	const renewed = await ca.request('POST', '/v1/renew', { credentials, body: next.csr() });
	t.is(renewed.status, 200);
	t.is(new X509Certificate(renewed.text).subjectAltName, new X509Certificate(credentials.cert).subjectAltName);
	const spare = await alice.token({ sub: 'api02' });
	t.like((await ca.admin('DELETE', '/v1/users/alice')).json(), { revoked: 2 });
	t.is((await ca.request('POST', '/v1/renew', { credentials: { key: next.pem, cert: renewed.text }, body: newKey().csr() })).json()['code'], 'certificate-revoked');
	t.is(await code(ca, spare), 'token-invalid');
	const { identities } = (await ca.admin('GET', '/v1/identities/api01')).json<IdentityList>();
	t.deepEqual(identities.map(({ status, revocationReason }: Identity) => [status, revocationReason]), [['revoked', 'privilegeWithdrawn'], ['revoked', 'privilegeWithdrawn']]);
	t.is((await ca.admin('DELETE', '/v1/users/nobody')).json()['code'], 'user-unknown');
});

test('a user who was cut off comes back with a new key, and what the old one signed stays worthless', async (t) => {
	const ca = await startCa(t);
	const old = await addUser(ca, 'alice');
	const token = await old.token();
	t.is((await ca.admin('POST', '/v1/users', { name: 'alice', publicKey: (await strangerOf(ca, 'alice')).publicKey, allow: [] })).json()['code'], 'user-exists');
	await ca.admin('DELETE', '/v1/users/alice');
	const alice = await addUser(ca, 'alice');
	t.is(await code(ca, token), 'token-invalid');
	t.is(await code(ca, await alice.token()), 'issued');
});

test('keys that are private, weak or of another kind make no user', async (t) => {
	const ca = await startCa(t);
	const { generateKeyPairSync } = await import('node:crypto');
	const pem = (key: { publicKey: { export(options: object): string } }) => key.publicKey.export({ format: 'pem', type: 'spki' });
	const add = async (publicKey: string, name = 'alice') => (await ca.admin('POST', '/v1/users', { name, publicKey, allow: [] })).json()['code'];
	t.is(await add(newKey().pem), 'request-malformed');
	t.is(await add('nonsense'), 'request-malformed');
	t.is(await add(pem(generateKeyPairSync('rsa', { modulusLength: 1024 }) as never)), 'csr-key-weak');
	t.is(await add(pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }) as never)), 'csr-key-unsupported');
	t.is(await add(pem(generateKeyPairSync('ed25519') as never), 'birthmark-x'), 'name-illegal');
	t.is(await add(pem(generateKeyPairSync('ed25519') as never)), undefined);
});

test('Symbios\'s own wire: hash, bundle, and the CSR with the token in X-Auth-Token', async (t) => {
	const ca = await startCa(t);
	const token = await (await addUser(ca, 'alice')).token();
	t.is((await ca.request('GET', '/v1/hash')).text, sha256(ca.bundle));
	t.deepEqual((await ca.request('GET', '/v1/cert')).body, ca.bundle);
	const post = (headers: Record<string, string>) => ca.request('POST', '/v1/csr', { headers, body: newKey().csr('api01') });
	t.is((await post({})).json()['code'], 'unauthenticated');
	const { status, text } = await post({ 'x-auth-token': token });
	t.is(status, 200);
	t.regex(new X509Certificate(text).subject, /CN=api01/);
});

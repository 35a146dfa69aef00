/** Pollendina's wire: authorize by a form with a token of one's own choice, sign by that token in the path. */

import test from 'ava';
import { randomBytes, randomUUID, X509Certificate } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { isChosenToken } from '../../../../ca/registration/chosen-token.ts';
import { movableClock, newKey, startCa, type Credentials, type TestCa } from '../../../support/ca.ts';

const chosen = (): string => randomBytes(16).toString('hex');

function authorize(ca: TestCa, credentials: Credentials | undefined, form: Readonly<Record<string, string>> | string) {
	const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
	return ca.request('POST', '/v1/authorize', { ...(credentials && { credentials }), headers: { 'content-type': 'application/x-www-form-urlencoded' }, body });
}

const sign = (ca: TestCa, token: string, key = newKey(), commonName?: string) => ca.request('PUT', `/v1/sign/${token}`, { body: key.csr(commonName) });

test('authorize with cn and token, sign with that token: a certificate', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1', ['api*/*']);
	const token = chosen();
	const authorized = await authorize(ca, node, { cn: 'api01', token });
	t.is(authorized.status, 201);
	t.like(authorized.json(), { commonName: 'api01', organizationalUnit: 'service' });
	const answer = await sign(ca, token, newKey(), 'api01');
	t.is(answer.status, 200, answer.text);
	t.is(new X509Certificate(answer.text).subject, 'O=production\nOU=service\nCN=api01');
	t.is((await sign(ca, token)).json()['code'], 'token-used');
});

test('without the certificate of a node nobody authorizes, and a node only within its rules', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1', ['api*/web-api']);
	t.is((await authorize(ca, undefined, { cn: 'api01', token: chosen() })).json()['code'], 'unauthenticated');
	t.is((await authorize(ca, await ca.join('alice', [], 'operator'), { cn: 'api01', token: chosen() })).json()['code'], 'forbidden');
	t.is((await authorize(ca, node, { cn: 'db01', token: chosen(), ou: 'web-api' })).json()['code'], 'name-not-allowed');
	t.is((await authorize(ca, node, { cn: 'api01', token: chosen(), ou: 'web-api' })).status, 201);
});

test('a token that could be guessed is refused, and so is one that looks like the CA\'s own', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const weak = ['', 'secret', 'a'.repeat(64), 'abcabcabcabcabcabcabcabcabcabcabcabc', '12345678901234567890123456789012', '12345678'.repeat(5), 'birthmark'.repeat(3), '0123456789abcdef0123456789abcdef01234', randomBytes(12).toString('hex'), 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6', '018f4d3e-9c1a-7b2e-8d3f-4a5b6c7d8e9f', `${chosen()}.`, `BMKTKN-1-${chosen()}`, chosen().repeat(5), `${chosen()} `];
	for (const token of weak) t.is((await authorize(ca, node, { cn: 'api01', token })).json()['code'], 'token-malformed', token);
	for (let round = 0; round < 100; round++) for (const token of [chosen(), randomUUID(), randomBytes(16).toString('base64url')]) t.true(isChosenToken(token), token);
});

test('the same once more is answered alike, another name under the same token is a conflict, at another node too', async (t) => {
	const ca = await startCa(t);
	const [node, other] = [await ca.join('host1'), await ca.join('host2')];
	const token = chosen();
	const first = await authorize(ca, node, { cn: 'api01', token });
	t.is((await authorize(ca, node, { cn: 'api01', token })).text, first.text);
	const both = await Promise.all(Array.from({ length: 10 }, () => authorize(ca, node, { cn: 'api02', token: `${token}x` })));
	t.deepEqual([...new Set(both.map(({ status }) => status))], [201]);
	t.is((await authorize(ca, node, { cn: 'api03', token })).json()['code'], 'authorization-conflict');
	t.is((await authorize(ca, other, { cn: 'api01', token })).json()['code'], 'authorization-conflict');
	t.is((await sign(ca, token)).status, 200);
});

test('of two nodes that choose one token at once one has it, and the other has a conflict', async (t) => {
	const ca = await startCa(t);
	const nodes = [await ca.join('host1'), await ca.join('host2')];
	for (let round = 0; round < 5; round++) {
		const token = chosen();
		const answers = await Promise.all(nodes.map((node) => authorize(ca, node, { cn: 'api01', token })));
		t.deepEqual(answers.map(({ status }) => status).sort(), [201, 409], answers.map(({ text }) => text).join());
	}
});

test('a token that the CA has forgotten does not begin anew', async (t) => {
	// TLS looks at the machine's clock, so the CA's begins in the past and ends where that is.
	const hours = 25;
	const clock = movableClock(new Date(Date.now() - hours * 3600_000));
	const lifetime = { lifetimeSeconds: 3 * hours * 3600 };
	const ca = await startCa(t, { clock, config: { profiles: { node: lifetime, server: lifetime } } });
	const node = await ca.join('host1');
	const token = chosen();
	t.is((await authorize(ca, node, { cn: 'api01', token, ttl: '60' })).status, 201);
	t.is((await sign(ca, token)).status, 200);
	clock.advance(hours * 3600);
	await ca.lookAfter();
	t.is((await sign(ca, token)).json()['code'], 'token-unknown', 'it was forgotten');
	t.is((await authorize(ca, node, { cn: 'api01', token, ttl: '86400' })).json()['code'], 'token-expired');
	t.is((await sign(ca, token)).json()['code'], 'token-unknown');
});

test('a CSR for another name is refused, and the token is good afterwards', async (t) => {
	const ca = await startCa(t);
	const token = chosen();
	await authorize(ca, await ca.join('host1'), { cn: 'api01', token, ttl: '3600' });
	t.is((await sign(ca, token, newKey(), 'api02')).json()['code'], 'token-wrong-name');
	t.is((await sign(ca, chosen())).json()['code'], 'token-unknown');
	t.is((await sign(ca, token)).status, 200);
});

test('forms are read strictly: fields once, known, and within bounds', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const token = chosen();
	for (const form of ['', 'cn=api01', `token=${token}`, `cn=api01&cn=api02&token=${token}`, `cn=api01&token=${token}&admin=1`, `cn=api01&token=${token}&ttl=0`, `cn=api01&token=${token}&ttl=1e3`, `cn=api01&token=${token}&ttl=86401`]) {
		t.is((await authorize(ca, node, form)).json()['code'], 'request-malformed', form);
	}
	t.is((await authorize(ca, node, `cn=${'a'.repeat(20_000)}&token=${token}`)).json()['code'], 'request-too-large');
});

test('the database holds no chosen token', async (t) => {
	const ca = await startCa(t);
	const token = chosen();
	await authorize(ca, await ca.join('host1'), { cn: 'api01', token });
	await sign(ca, token);
	await ca.close();
	const database = new DatabaseSync(`${ca.state}/ca/ca.db`, { readOnly: true });
	t.teardown(() => database.close());
	const tables = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all().map(({ name }) => String(name));
	t.true(tables.includes('tokens'));
	for (const name of tables) t.false(JSON.stringify(database.prepare(`SELECT * FROM "${name}"`).all()).includes(token), name);
});

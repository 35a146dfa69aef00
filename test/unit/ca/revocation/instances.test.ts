/** Two instances of one CA: what one revokes the other refuses, lists and says with its next answer. */

import test, { type ExecutionContext } from 'ava';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newKey, startBeside, startCa, temporaryFolder, type Credentials, type TestCa } from '../../../support/ca.ts';
import { postgresFor } from '../../../support/stores.ts';
import { addUser } from '../../../support/user.ts';

const postgres = postgresFor(test);
const PUBLIC_URL = 'http://ca.example.com:33005';

function run(args: readonly string[], cwd: string): Promise<string> {
	return new Promise((resolve) => execFile('openssl', args, { cwd, timeout: 120_000 }, (_, stdout, stderr) => resolve(stderr + stdout)));
}

async function twoInstances(t: ExecutionContext): Promise<[TestCa, TestCa]> {
	const url = await (await postgres.server()).newDatabase();
	const publicHttp = { host: '127.0.0.1', port: 0, url: PUBLIC_URL };
	const ca = await startCa(t, { config: { database: { url, poolSize: 10 }, publicHttp } });
	return [ca, await startBeside(t, ca)];
}

/** What an instance says of a certificate: to its holder, and to others by its lists and by OCSP. */
async function seenBy(t: ExecutionContext, ca: TestCa, { cert, key }: Credentials) {
	const folder = temporaryFolder(t);
	const [leaf, issuer] = cert.match(/-----BEGIN[^]+?-----END CERTIFICATE-----\n/g)!;
	const files = { 'leaf.pem': leaf!, 'issuer.pem': issuer!, 'root.pem': ca.bundle };
	for (const [name, contents] of Object.entries(files)) writeFileSync(join(folder, name), contents);
	const ocsp = await run(['ocsp', '-issuer', 'issuer.pem', '-cert', 'leaf.pem', '-CAfile', 'root.pem', '-url', `${ca.publicUrl}/v1/ocsp`], folder);
	const [, partition] = /URI:http:\/\/ca\.example\.com:33005(\/v1\/crl\/\d+)/.exec(await run(['x509', '-in', 'leaf.pem', '-noout', '-text'], folder))!;
	const isListed = async (path: string): Promise<boolean> => {
		writeFileSync(join(folder, 'list.der'), Buffer.from(await (await fetch(ca.publicUrl + path)).arrayBuffer()));
		return (await run(['crl', '-inform', 'DER', '-in', 'list.der', '-noout', '-text'], folder)).includes(new X509Certificate(leaf!).serialNumber);
	};
	const credentials = { cert, key };
	return {
		ocsp: /leaf\.pem: (\w+)/.exec(ocsp)?.[1],
		listed: await isListed('/v1/crl'),
		listedInPartition: await isListed(partition!),
		whoami: (await ca.request('GET', '/v1/whoami', { credentials })).json()['code'],
		renewal: (await ca.request('POST', '/v1/renew', { credentials, body: newKey().csr() })).status,
	};
}

postgres.test('what one instance has revoked the other refuses and publishes with its next answer', async (t) => {
	const [one, other] = await twoInstances(t);
	const node = await one.join('host1');
	const web = await other.enrol(node, 'web01', 'web');
	for (const ca of [one, other]) {
		t.deepEqual(await seenBy(t, ca, web), { ocsp: 'good', listed: false, listedInPartition: false, whoami: undefined, renewal: 200 });
	}
	await one.admin('POST', '/v1/revoke', { serial: new X509Certificate(web.cert).serialNumber.toLowerCase() });
	for (const ca of [other, one]) {
		t.deepEqual(await seenBy(t, ca, web), { ocsp: 'revoked', listed: true, listedInPartition: true, whoami: 'certificate-revoked', renewal: 403 });
	}
});

postgres.test('a key that one instance has blocked the other does not certify, however close they come', async (t) => {
	const instances = await twoInstances(t);
	const [one, other] = instances;
	const node = await one.join('host1');
	const web = await one.enrol(node, 'web01', 'web');
	const tokens = await Promise.all(Array.from({ length: 10 }, async () => one.mint(node, (await one.authorize(node, { commonName: 'web02' })).id)));
	const [revoked, ...signed] = await Promise.all([
		one.admin('POST', '/v1/revoke', { commonName: 'web01', reason: 'keyCompromise' }),
		...tokens.map((token) => other.sign(token, web.keyPair)),
	]);
	t.is(revoked.status, 200);
	for (const { status, text } of signed) {
		if (status === 200) t.is((await other.request('GET', '/v1/whoami', { credentials: { key: web.key, cert: text } })).json()['code'], 'certificate-revoked');
		else t.is((JSON.parse(text) as { code: string }).code, 'csr-key-compromised');
	}
	const { id } = await one.authorize(node, { commonName: 'web03' });
	t.is((await other.sign(await one.mint(node, id), web.keyPair)).json()['code'], 'csr-key-compromised');
});

postgres.test('two instances put what they issue on the same partition, and open the next one once', async (t) => {
	const [one, other] = await twoInstances(t);
	const node = await one.join('host1');
	const partitions = new Set<string>();
	for (const ca of [one, other, one, other]) {
		const { cert } = await ca.enrol(node, 'web01', 'web');
		partitions.add(/\/v1\/crl\/(\d)/.exec(new X509Certificate(cert).raw.toString('latin1'))![1]!);
	}
	t.deepEqual([...partitions], ['1']);
});

postgres.test('who is cut off at one instance is refused by the other at once: tokens, certificates, renewals', async (t) => {
	const [one, other] = await twoInstances(t);
	const alice = await addUser(one, 'alice');
	const exchange = (ca: TestCa, token: string, key = newKey()) => ca.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body: key.csr() });
	const key = newKey();
	const enrolled = await exchange(other, await alice.token(), key);
	t.is(enrolled.status, 200, enrolled.text);
	const credentials = { key: key.pem, cert: enrolled.text };
	t.is((await seenBy(t, one, credentials)).ocsp, 'good');
	const node = await one.join('host1');
	const waiting = await one.mint(node, (await one.authorize(node, { commonName: 'web01' })).id);

	t.is((await one.admin('DELETE', '/v1/users/alice')).json<{ revoked: number }>().revoked, 2);
	t.deepEqual(await seenBy(t, other, credentials), { ocsp: 'revoked', listed: true, listedInPartition: true, whoami: 'certificate-revoked', renewal: 403 });
	t.is((await exchange(other, await alice.token())).json()['code'], 'token-invalid');
	await one.admin('DELETE', '/v1/nodes/host1');
	t.is((await exchange(other, waiting)).json()['code'], 'authorization-ended');
});

postgres.test('a certificate is not renewed at one instance past its revocation at the other, however close they come', async (t) => {
	const [one, other] = await twoInstances(t);
	const node = await one.join('host1');
	for (let round = 0; round < 5; round++) {
		const name = `web0${round}`;
		const web = await one.enrol(node, name, 'web');
		const [, ...renewals] = await Promise.all([
			one.request('DELETE', `/v1/authorizations/${web.authorizationId}`, { credentials: node }),
			...Array.from({ length: 4 }, async () => {
				const key = newKey();
				const { status, text } = await other.request('POST', '/v1/renew', { credentials: web, body: key.csr() });
				return status === 200 ? { key: key.pem, cert: text } : undefined;
			}),
		]);
		for (const credentials of [web, ...renewals]) {
			if (credentials) t.is((await other.request('GET', '/v1/whoami', { credentials })).json()['code'], 'certificate-revoked', name);
		}
	}
});

postgres.test('of many who bring one user\'s token to two instances at once, one gets a certificate', async (t) => {
	const instances = await twoInstances(t);
	const alice = await addUser(instances[0], 'alice');
	const token = await alice.token();
	const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => {
		return instances[index % 2]!.request('POST', '/v1/sign', { headers: { authorization: `Bearer ${token}` }, body: newKey().csr() });
	}));
	t.deepEqual(answers.map(({ status, text }) => (status === 200 ? 'issued' : JSON.parse(text).code as unknown)).toSorted(), ['issued', ...Array<string>(19).fill('token-used')]);
});

postgres.test('whatever is revoked anywhere is on the next list of either instance, while both revoke', async (t) => {
	const instances = await twoInstances(t);
	const node = await instances[0].join('host1');
	const enrolled: Credentials[] = [];
	// One after the other: what comes at once is the revocations.
	for (let index = 0; index < 24; index++) enrolled.push(await instances[index % 2]!.enrol(node, `web${index}`, 'web'));
	await Promise.all(enrolled.map(async ({ cert }, index) => {
		const serial = new X509Certificate(cert).serialNumber.toLowerCase();
		t.is((await instances[index % 2]!.admin('POST', '/v1/revoke', { serial })).status, 200);
		const other = instances[(index + 1) % 2]!;
		for (const path of ['/v1/crl', '/v1/crl/1']) t.true((await other.request('GET', path)).body.includes(Buffer.from(serial, 'hex')), path);
	}));
});

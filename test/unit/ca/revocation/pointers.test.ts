/** Certificates that say where they can be asked about, and that what is found there is enough for OpenSSL. */

import test from 'ava';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../../scripts/ports.ts';
import { startCa, temporaryFolder, type Credentials } from '../../../support/ca.ts';

interface Pointers {
	readonly crl: string;
	readonly ocsp: string;
	readonly issuer: string;
}

function run(command: string, args: readonly string[], cwd: string): Promise<{ readonly failed: boolean; readonly text: string }> {
	return new Promise((resolve) => execFile(command, args, { cwd, timeout: 120_000 }, (error, stdout, stderr) => resolve({ failed: error !== null, text: stdout + stderr })));
}

async function pointersOf({ cert }: Pick<Credentials, 'cert'>, folder: string): Promise<Pointers> {
	writeFileSync(join(folder, 'leaf.pem'), new X509Certificate(cert).toString());
	const { text } = await run('openssl', ['x509', '-in', 'leaf.pem', '-noout', '-text'], folder);
	const uri = (before: string) => new RegExp(`${before}[^]*?URI:(\\S+)`).exec(text)?.[1] ?? '';
	return { crl: uri('CRL Distribution Points'), ocsp: uri('OCSP - '), issuer: uri('CA Issuers - ') };
}

async function startPublicCa(t: Parameters<typeof startCa>[0], partitionSize = 20_000) {
	const port = await freePort();
	const url = `http://127.0.0.1:${port}`;
	return { url, ca: await startCa(t, { config: { publicHttp: { host: '127.0.0.1', port, url }, crl: { partitionSize } } }) };
}

test('a leaf alone is enough: its issuer, its list and its status are found where it says, and openssl verifies by them', async (t) => {
	const { ca, url } = await startPublicCa(t);
	const folder = temporaryFolder(t);
	const web = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	const where = await pointersOf(web, folder);
	t.deepEqual(where, { crl: `${url}/v1/crl/1`, ocsp: `${url}/v1/ocsp`, issuer: `${url}/v1/issuers/1` });

	const get = async (from: string) => Buffer.from(await (await fetch(from)).arrayBuffer());
	writeFileSync(join(folder, 'issuer.pem'), new X509Certificate(await get(where.issuer)).toString());
	writeFileSync(join(folder, 'root.pem'), ca.bundle);
	writeFileSync(join(folder, 'intermediate.pem'), new X509Certificate(await get(where.issuer)).toString());
	const above = await pointersOf({ cert: readFileSync(join(folder, 'intermediate.pem'), 'utf8') }, folder);
	t.deepEqual(above, { crl: `${url}/v1/issuers/1/crl`, ocsp: '', issuer: `${url}/v1/issuers/1/root` });
	t.is(new X509Certificate(await get(above.issuer)).fingerprint256, new X509Certificate(ca.bundle).fingerprint256);
	writeFileSync(join(folder, 'leaf.pem'), new X509Certificate(web.cert).toString());
	const verify = async () => {
		let lists = '';
		for (const from of [where.crl, above.crl]) {
			writeFileSync(join(folder, 'crl.der'), await get(from));
			lists += (await run('openssl', ['crl', '-inform', 'DER', '-in', 'crl.der'], folder)).text;
		}
		writeFileSync(join(folder, 'crl.pem'), lists);
		return run('openssl', ['verify', '-x509_strict', '-crl_check_all', '-extended_crl', '-CAfile', 'root.pem', '-untrusted', 'issuer.pem', '-CRLfile', 'crl.pem', 'leaf.pem'], folder);
	};
	const status = () => run('openssl', ['ocsp', '-issuer', 'issuer.pem', '-cert', 'leaf.pem', '-CAfile', 'root.pem', '-url', where.ocsp], folder);
	t.regex((await verify()).text, /leaf\.pem: OK/);
	t.regex((await status()).text, /leaf\.pem: good/);
	await ca.admin('POST', '/v1/revoke', { commonName: 'web01', reason: 'superseded' });
	const refused = await verify();
	t.true(refused.failed);
	t.regex(refused.text, /certificate revoked/);
	t.regex((await status()).text, /leaf\.pem: revoked/);
});

test('an intermediate alone is enough: its root and the list of its root are found where it says', async (t) => {
	const { ca, url } = await startPublicCa(t);
	const folder = temporaryFolder(t);
	const { cert } = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	const intermediate = cert.slice(cert.indexOf('-----BEGIN', 1));
	const where = await pointersOf({ cert: intermediate }, folder);
	t.deepEqual(where, { crl: `${url}/v1/issuers/1/crl`, ocsp: '', issuer: `${url}/v1/issuers/1/root` });

	const get = async (from: string) => Buffer.from(await (await fetch(from)).arrayBuffer());
	t.is(new X509Certificate(await get(where.issuer)).toString(), ca.bundle.toString());
	writeFileSync(join(folder, 'root.pem'), ca.bundle);
	writeFileSync(join(folder, 'crl.der'), await get(where.crl));
	await run('openssl', ['crl', '-inform', 'DER', '-in', 'crl.der', '-out', 'crl.pem'], folder);
	t.regex((await run('openssl', ['verify', '-x509_strict', '-crl_check', '-CAfile', 'root.pem', '-CRLfile', 'crl.pem', 'leaf.pem'], folder)).text, /leaf\.pem: OK/);
	t.is((await fetch(`${url}/v1/issuers/2/root`)).status, 404);
});

test('the list of another partition says nothing about a certificate, and openssl knows', async (t) => {
	const { ca } = await startPublicCa(t, 10);
	const folder = temporaryFolder(t);
	const host = await ca.join('host1');
	const first = await ca.enrol(host, 'web01', 'web');
	const { crl } = await pointersOf(first, folder);
	writeFileSync(join(folder, 'chain.pem'), first.cert);
	for (let count = 0; count < 10; count++) await ca.enrol(host, 'web02', 'web');
	await ca.close();

	const again = await startCa(t, { state: ca.state });
	const later = await again.enrol(await again.join('host2'), 'web03', 'web');
	const { crl: other } = await pointersOf(later, folder);
	t.not(other, crl, 'the partition was full');
	writeFileSync(join(folder, 'root.pem'), ca.bundle);
	const verify = async (leaf: Credentials, from: string) => {
		writeFileSync(join(folder, 'leaf.pem'), leaf.cert);
		writeFileSync(join(folder, 'crl.der'), Buffer.from(await (await fetch(from)).arrayBuffer()));
		await run('openssl', ['crl', '-inform', 'DER', '-in', 'crl.der', '-out', 'crl.pem'], folder);
		return (await run('openssl', ['verify', '-crl_check', '-extended_crl', '-CAfile', 'root.pem', '-untrusted', 'chain.pem', '-CRLfile', 'crl.pem', 'leaf.pem'], folder)).text;
	};
	t.regex(await verify(first, crl), /OK/);
	t.regex(await verify(later, other), /OK/);
	t.regex(await verify(first, other), /different CRL scope|unable to get certificate CRL/i);
	await again.admin('POST', '/v1/revoke', { commonName: 'web03' });
	t.regex(await verify(later, other), /certificate revoked/);
	t.regex(await verify(first, crl), /OK/);
});

test('without a public address certificates point nowhere', async (t) => {
	const ca = await startCa(t, { config: { publicHttp: { host: '127.0.0.1', port: 0 } } });
	const web = await ca.enrol(await ca.join('host1'), 'web01', 'web');
	t.deepEqual(await pointersOf(web, temporaryFolder(t)), { crl: '', ocsp: '', issuer: '' });
});

/** The main job of the CA over real HTTPS: join, authorize, mint, sign, and what `openssl` makes of the result. */

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCa, temporaryFolder, type Credentials } from '../../support/ca.ts';

function openssl(...args: string[]): string {
	return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

test('a container enrols with the token of its start and gets the names the node authorized', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1', ['api??/web-api']);
	const api = await ca.enrol(node, 'api01', 'web-api');
	const leaf = new X509Certificate(api.cert);
	t.is(leaf.subject, 'O=production\nOU=web-api\nCN=api01');
	t.is(leaf.subjectAltName, 'DNS:api01, URI:spiffe://birthmark.internal/production/web-api/api01');
	t.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
	t.true(leaf.checkPrivateKey(api.keyPair.privateKey));
	t.is(leaf.validToDate.getTime() - leaf.validFromDate.getTime(), (86_400 + 60) * 1000);
});

test('openssl verifies every kind of certificate strictly, with revocation lists for the whole chain', async (t) => {
	const ca = await startCa(t);
	const folder = temporaryFolder(t);
	const file = (name: string, data: string | Buffer): string => {
		writeFileSync(join(folder, name), data);
		return join(folder, name);
	};
	const node = await ca.join('host1');
	const operator = await ca.join('alice', [], 'operator');
	const workload = await ca.enrol(node, 'web01', 'web');
	const bundle = file('bundle.pem', ca.bundle);
	const lists = file('crl.pem', (await ca.request('GET', '/v1/crl.pem')).body);
	const verify = (credentials: Credentials, purpose: string) => openssl(
		'verify', '-x509_strict', '-crl_check_all', '-purpose', purpose, '-CAfile', bundle, '-CRLfile', lists,
		'-untrusted', file('chain.pem', credentials.cert), file('leaf.pem', credentials.cert),
	);
	t.regex(verify(workload, 'sslserver'), /OK/);
	t.regex(verify(workload, 'sslclient'), /OK/);
	t.regex(verify(node, 'sslclient'), /OK/);
	t.regex(verify(operator, 'sslclient'), /OK/);
	t.throws(() => verify(node, 'sslserver'), { message: /unsuitable certificate purpose|unsupported certificate purpose/ });
});

/** A CA below a real cfssl server: the protocol as somebody else has written it. */

import test from 'ava';
import { X509Certificate } from 'node:crypto';
import { newKey } from '../../../support/ca.ts';
import { cfsslIsBuilt, startCfssl } from '../../../support/cfssl.ts';
import { startLowerCa, writeExternalFiles } from '../../../support/external-ca.ts';

const built = cfsslIsBuilt ? test : test.skip; // make build unpacks it

built('a container gets a certificate that cfssl has signed, and renews it', async (t) => {
	const cfssl = await startCfssl(t);
	const { files } = writeExternalFiles(t, cfssl.root, cfssl.client, cfssl.root);
	// This version of cfssl makes DNS names of URIs.
	const ca = await startLowerCa(t, `protocol=cfssl,url=${cfssl.signUrl},${files},uri=no`);
	const api = await ca.enrol(await ca.join('host1'), 'api01', 'web-api');
	const leaf = new X509Certificate(api.cert);
	t.is(leaf.issuer, 'O=Company\nCN=Company Root');
	t.is(leaf.subjectAltName, 'DNS:api01');
	t.true(leaf.checkPrivateKey(api.keyPair.privateKey));
	const renewed = await ca.request('POST', '/v1/renew', { credentials: api, body: newKey().csr() });
	t.is(renewed.status, 200, renewed.text);
	t.is(new X509Certificate(renewed.text).issuer, 'O=Company\nCN=Company Root');
});

built('names that cfssl changed are not taken', async (t) => {
	const cfssl = await startCfssl(t);
	const { files } = writeExternalFiles(t, cfssl.root, cfssl.client, cfssl.root);
	const ca = await startLowerCa(t, `protocol=cfssl,url=${cfssl.signUrl},${files}`);
	const node = await ca.join('host1');
	const { id } = await ca.authorize(node, { commonName: 'api01' });
	t.is((await ca.sign(await ca.mint(node, id), newKey())).json()['code'], 'upstream-refused');
});

/** The trust bundle as it is served. */

import test from 'ava';
import { sha256, startCa } from '../../../support/ca.ts';

test('the digest of the bundle is its entity tag, and who has the bundle is not sent it again', async (t) => {
	const ca = await startCa(t);
	const digest = sha256(ca.bundle);
	const { status, body, headers } = await ca.request('GET', '/v1/roots');
	t.is(status, 200);
	t.deepEqual(body, ca.bundle);
	t.is(headers.etag, `"${digest}"`);
	const again = await ca.request('GET', '/v1/roots', { headers: { 'if-none-match': `"${digest}"` } });
	t.is(again.status, 304);
	t.is(again.body.length, 0);
	t.is((await ca.request('GET', '/v1/roots', { headers: { 'if-none-match': `"${sha256('')}"` } })).status, 200);
});

test('a bundle can be asked for by its digest, and what is not a bundle of this CA is not there', async (t) => {
	const ca = await startCa(t);
	t.deepEqual((await ca.request('GET', `/v1/roots?digest=${sha256(ca.bundle)}`)).body, ca.bundle);
	t.is((await ca.request('GET', `/v1/roots?digest=${sha256('')}`)).json()['code'], 'not-found');
	for (const digest of ['', '0', sha256(ca.bundle).toUpperCase(), `${sha256(ca.bundle)}0`]) {
		t.is((await ca.request('GET', `/v1/roots?digest=${digest}`)).json()['code'], 'request-malformed', digest);
	}
});

import test from 'ava';
import { revokedSerials } from '../../../client/revoked.ts';
import { startCa } from '../../support/ca.ts';

test('the lists that the CA publishes are read, with nobody and with somebody on them', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const { authorizationId, startId } = await ca.enrol(node, 'api01', 'web-api');
	const lists = async (): Promise<string> => (await ca.request('GET', '/v1/crl.pem')).text;
	t.is(revokedSerials(await lists()).size, 0);
	const answer = await ca.request('POST', '/v1/revoke', { credentials: node, body: { authorizationId, startId, reason: 'cessationOfOperation' } });
	t.is(answer.status, 200, answer.text);
	t.is(revokedSerials(await lists()).size, 1);
});

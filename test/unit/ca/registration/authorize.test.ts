/** What a node may authorize. */

import test from 'ava';
import type { Authorization } from '#common/protocol/messages.ts';
import { newContainerId, startCa } from '../../../support/ca.ts';

const web = { commonName: 'web01', organizationalUnit: 'web', dnsNames: [], image: 'nginx:1' };

test('a dry run is decided like the real thing and leaves nothing behind', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1', ['web*/web']);
	const run = (body: object) => ca.request('POST', '/v1/authorize', { credentials: node, body: { ...web, dryRun: true, ...body } });
	const answer = await run({});
	t.is(answer.status, 200);
	t.deepEqual(answer.json<Authorization>(), {
		commonName: 'web01', organizationalUnit: 'web', dnsNames: [], organization: 'production',
		spiffeId: 'spiffe://birthmark.internal/production/web/web01', lifetimeSeconds: 86_400,
	});
	t.is((await run({ commonName: 'db01' })).json()['code'], 'name-not-allowed');
	t.is((await run({ commonName: 'birthmark-ca' })).json()['code'], 'name-illegal');
});

test('the same container again is the same authorization; under other names it is a conflict', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const containerId = newContainerId();
	const authorize = (body: object = {}) => ca.request('POST', '/v1/authorize', { credentials: node, body: { ...web, containerId, ...body } });
	const first = await authorize();
	t.is(first.status, 201);
	const second = await authorize();
	t.is(second.status, 201);
	t.is(second.json()['id'], first.json()['id']);
	const conflict = await authorize({ commonName: 'web02' });
	t.is(conflict.status, 409);
	t.is(conflict.json()['code'], 'authorization-conflict');
	t.is((await authorize({ dnsNames: ['www.internal'] })).json()['code'], 'authorization-conflict');
	await ca.request('DELETE', `/v1/authorizations/${first.json<Authorization>().id}`, { credentials: node });
	t.is((await authorize()).json()['code'], 'authorization-ended');
});

test('a rule that was taken away holds for the next start of a container that exists', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1', ['web*/web']);
	const { id } = (await ca.request('POST', '/v1/authorize', { credentials: node, body: { ...web, containerId: newContainerId() } })).json<Authorization>();
	const mint = async (startId: string) => (await ca.request('POST', `/v1/authorizations/${id}/tokens`, { credentials: node, body: { startId } })).json()['code'];
	t.is(await mint('one'), undefined);
	await ca.admin('PATCH', '/v1/nodes/host1', { allow: ['api*/web-api'] });
	t.is(await mint('two'), 'name-not-allowed');
	await ca.admin('PATCH', '/v1/nodes/host1', { allow: ['web01/web'] });
	t.is(await mint('three'), undefined);
});

test('a text with a NUL, which not every database holds, is malformed wherever it stands', async (t) => {
	const ca = await startCa(t);
	const credentials = await ca.join('host1');
	const code = async (method: string, path: string, body?: object) => (await ca.request(method, path, { credentials, ...(body && { body }) })).json()['code'];
	const whole = { ...web, containerId: newContainerId() };
	for (const fault of [{ image: 'nginx\0' }, { containerName: 'a\0b' }, { commonName: 'a\0b' }]) t.is(await code('POST', '/v1/authorize', { ...whole, ...fault }), 'request-malformed', JSON.stringify(fault));
	t.is(await code('POST', '/v1/revoke', { commonName: 'a\0b' }), 'request-malformed');
	t.is(await code('GET', '/v1/identities/a%00b'), 'request-malformed');
	t.is(await code('DELETE', '/v1/authorizations/a%00b'), 'request-malformed');
	t.is(await code('POST', '/v1/authorize', whole), undefined);
});

test('another node cannot mint for, end or revoke what is not its own', async (t) => {
	const ca = await startCa(t);
	const [one, other] = [await ca.join('host1'), await ca.join('host2')];
	const { authorizationId, startId } = await ca.enrol(one, 'web01', 'web');
	const asOther = (method: string, path: string, body?: object) => ca.request(method, path, { credentials: other, ...(body && { body }) });
	t.is((await asOther('POST', `/v1/authorizations/${authorizationId}/tokens`, { startId })).json()['code'], 'authorization-unknown');
	t.is((await asOther('DELETE', `/v1/authorizations/${authorizationId}`)).json()['code'], 'authorization-unknown');
	t.is((await asOther('POST', '/v1/revoke', { authorizationId })).json()['code'], 'authorization-unknown');
	t.is((await asOther('POST', '/v1/revoke', { node: 'host1' })).json()['code'], 'forbidden');
	t.like((await asOther('POST', '/v1/revoke', { commonName: 'web01' })).json(), { revoked: 0 });
	t.is((await asOther('GET', '/v1/identities/web01')).json()['code'], 'certificate-unknown');
});

test('lifetimes have bounds', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1');
	const code = async (lifetimeSeconds: number) => (await ca.request('POST', '/v1/authorize', { credentials: node, body: { ...web, dryRun: true, lifetimeSeconds } })).json()['code'];
	t.is(await code(9), 'request-malformed');
	t.is(await code(10), undefined);
	t.is(await code(604_800), undefined);
	t.is(await code(604_801), 'request-malformed');
});

test('an operator changes the rules of a node, and they count at once', async (t) => {
	const ca = await startCa(t);
	const node = await ca.join('host1', []);
	const attempt = () => ca.request('POST', '/v1/authorize', { credentials: node, body: { ...web, dryRun: true } });
	t.is((await attempt()).json()['code'], 'name-not-allowed');
	t.like((await ca.admin('PATCH', '/v1/nodes/host1', { allow: ['web01/web'] })).json(), { name: 'host1', allow: ['web01/web'] });
	t.is((await attempt()).status, 200);
	t.is((await ca.admin('PATCH', '/v1/nodes/host9', { allow: [] })).json()['code'], 'node-unknown');
});

/** `birthmark rotate` against a real CA, whose containers renew when the test says so. */

import test from 'ava';
import type { NodeDemands, RenewalDemand } from '#common/protocol/renewal-demands.ts';
import { newContainerId, newKey, startCa, type Credentials, type TestCa } from '../../../support/ca.ts';
import { newCommand } from '../../../support/command.ts';

/** Renews as soon as the node hears that it is to. */
async function obey(ca: TestCa, node: Credentials, container: Credentials): Promise<void> {
	const hear = async () => (await ca.request('GET', '/v1/renewal-demands?wait=20', { credentials: node })).json<NodeDemands>().demands;
	// The command may take longer to begin than the CA keeps anybody waiting.
	while ((await hear()).length === 0);
	await ca.request('POST', '/v1/renew', { credentials: container, body: newKey().csr() });
}

test('rotate waits until the container has renewed, and revokes what was replaced when asked to', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const node = await ca.join('host1');
	const api = await ca.enrol(node, 'api01', 'web');
	const obeyed = obey(ca, node, api);
	const ran = await birthmark(['rotate', '--cn', 'api01', '--revoke-old', '--timeout', '600']);
	await obeyed;
	t.is(ran.stdout, 'renewed 1 of 1 container; revoked 1 that were replaced\n', ran.stderr);
	t.is(ran.code, 0);
	t.is((await ca.request('GET', '/v1/whoami', { credentials: api })).status, 403);
});

test('rotate says who did not renew in time, and fails', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const node = await ca.join('host1');
	await ca.authorize(node, { commonName: 'other' });
	await ca.enrol(node, 'api01', 'web');
	const late = await birthmark(['rotate', '--node', 'host1', '--timeout', '1']);
	t.is(late.code, 1);
	t.regex(late.stdout, /^renewed 0 of 1 container\n1 did not renew in time/);
	t.regex(late.stdout, /^api01 +web +live +[0-9a-f]{32} +host1/m);
	const json = await birthmark(['rotate', '--all', '--no-wait', '--json']);
	t.is(json.code, 0);
	t.like(json.json<RenewalDemand>(), { number: 2, renewed: 0, pending: 1, over: 0 });
	t.is((await birthmark(['rotate', '--all', '--no-wait'])).stdout, 'asked 1 container to renew\n');
});

test('a container is named by its name or its id, and one that nobody knows is not found', async (t) => {
	const ca = await startCa(t);
	const birthmark = newCommand(t, '--ca-socket', ca.adminSocket);
	const node = await ca.join('host1');
	await ca.join('host2');
	const containerId = newContainerId();
	const { id } = await ca.authorize(node, { commonName: 'api01' }, { containerId });
	await ca.sign(await ca.mint(node, id), newKey());
	t.is((await birthmark(['rotate', containerId.slice(0, 12), '--no-wait'])).stdout, 'asked 1 container to renew\n');
	t.is((await birthmark(['rotate', 'nobody'])).code, 6);
	const nothing = 'nothing to renew: no container with a live certificate matches\n';
	for (const selector of [['--cn', 'nobody'], ['--cn', 'nobody', '--no-wait'], ['--node', 'host2']]) t.like(await birthmark(['rotate', ...selector]), { code: 6, stdout: nothing });
	t.is((await birthmark(['revoke', '--node', 'host1'])).code, 0);
	t.like(await birthmark(['rotate', '--all']), { code: 0, stdout: nothing }, 'nobody was meant who is not there');
});

test('what is not meant is a usage error', async (t) => {
	const birthmark = newCommand(t);
	for (const args of [[], ['api01', '--all'], ['--cn', 'a', '--node', 'b'], ['--all', '--no-wait', '--revoke-old'], ['--all', '--timeout', '0'], ['--all', '--timeout', 'soon']]) {
		t.is((await birthmark(['rotate', ...args])).code, 2, args.join(' '));
	}
});

/** `birthmark rotate`: containers renew when somebody wants it, by whichever way they reach the CA, and the application runs on. */

import test from 'ava';
import type { RenewalDemand } from '#common/protocol/renewal-demands.ts';
import { DIRECTORY, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sh', '-c'], Cmd: ['for s in HUP USR1 USR2; do trap "echo signal $s" $s; done; while :; do sleep 600 & wait $!; done'] };

test.serial('a container renews at once, by relay, over the network and with the agent of the node alike; the old certificate is revoked when asked', async (t) => {
	const role = 'web-api';
	const ways = [
		{ identity: { caWay: 'relay' }, options: { ...SLEEP, HostConfig: { NetworkMode: 'none' } } },
		{ identity: { caWay: 'network' }, options: { ...SLEEP, HostConfig: { NetworkMode: 'host' } } },
		{ identity: { agentMode: 'node' }, options: { ...SLEEP, HostConfig: { NetworkMode: 'none' } } },
	] as const;
	await Promise.all(ways.map(async ({ identity, options }) => {
		const name = world.name();
		const container = await world.start(t, { commonName: name, organizationalUnit: role, ...identity }, options);
		const before = await eventually('the identity is live', () => world.identity(name));
		const ran = await world.birthmark(['rotate', container.id.slice(0, 12), '--revoke-old', '--json', '--timeout', '120']);
		t.is(ran.code, 0, `${ran.stdout}${ran.stderr}`);
		t.like(JSON.parse(ran.stdout), { renewed: 1, pending: 0, over: 0, revoked: 1 });
		const after = await world.identity(name);
		t.not(after?.serial, before.serial);
		t.is(after?.renewals, 1, 'once');
		t.is((await world.identities(true)).find(({ serial }) => serial === before.serial)?.status, 'revoked');
		t.is((await world.exec(container, ['cat', `${DIRECTORY}/rotate`])).stdout.trim(), before.serial);
		t.is(await world.logs(container), '', 'neither a signal nor a warning');
	}));
});

test.serial('a container that is paused when it is demanded renews on its return', async (t) => {
	const name = world.name();
	const container = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	await eventually('the identity is live', () => world.identity(name));
	t.teardown(() => container.unpause().catch(() => undefined));
	await container.pause();
	const late = await world.birthmark(['rotate', '--cn', name, '--timeout', '1', '--json']);
	t.is(late.code, 1);
	t.like(JSON.parse(late.stdout) as RenewalDemand, { renewed: 0, pending: 1 });
	t.is((await world.identity(name))?.renewals, 0);
	await container.unpause();
	await eventually('it has renewed', async () => (await world.identity(name))?.renewals === 1);
});

test.serial('a container that keeps the demand away from its agent harms only itself', async (t) => {
	const [spoilt, good] = [world.name(), world.name()];
	const container = await world.start(t, { commonName: spoilt, organizationalUnit: 'web-api' }, SLEEP);
	await world.start(t, { commonName: good, organizationalUnit: 'web-api' }, SLEEP);
	for (const name of [spoilt, good]) await eventually('the identity is live', () => world.identity(name));
	t.is((await world.exec(container, ['sh', '-c', `mkdir -p ${DIRECTORY}/rotate/x; dd if=/dev/zero of=${DIRECTORY}/full bs=4k; :`])).code, 0);
	t.is((await world.birthmark(['rotate', '--cn', good, '--timeout', '120'])).code, 0);
	const kept = await world.birthmark(['rotate', '--cn', spoilt, '--timeout', '1']);
	t.is(kept.code, 1);
	t.regex(kept.stdout, new RegExp(`1 did not renew in time[^]*${spoilt}`));
});

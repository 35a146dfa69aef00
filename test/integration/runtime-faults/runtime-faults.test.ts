/** Identities by label alone, while plugin and CA come and go: closed for who has a label, open for all others. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { createRecordsCopy } from '../../../plugin/guard/records-copy.ts';
import { dockerCommand } from '../../../scripts/images.ts';
import { startCa, waitUntilEnforced } from '../../../scripts/set-up.ts';
import { Steps } from '../../../scripts/steps.ts';
import { alive, bornAgain, byLabel, isRevoked, startByLabel } from '../../support/by-label.ts';
import { backIntoChain } from '../../support/chain.ts';
import { crashPlugin, killPlugin, successorOf } from '../../support/plugin-crash.ts';
import { AGENT, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const steps = new Steps(`${world.state}/logs/runtime-faults.log`);
const ca = world.docker.getContainer(world.caContainer);
const startAgain = () => startCa(dockerCommand(steps, world.host), { container: world.caContainer, volume: 'birthmark-ca', port: Number(new URL(world.caUrl).port) });
const ALWAYS = { HostConfig: { Runtime: 'birthmark', RestartPolicy: { Name: 'always' } } };

/** As the plugin has it in its records. */
function startIdOf(containerId: string): string | undefined {
	const plugins = join(world.paths.data, 'plugins');
	const source = readdirSync(plugins).map((id) => join(plugins, id, 'propagated-mount/state/records.db')).find((path) => existsSync(path))!;
	const copy = createRecordsCopy({ source, directory: join(world.state, 'records-copy'), now: Date.now });
	try {
		return copy.current().identityOfContainer(containerId)?.startId;
	} finally {
		copy.close();
	}
}

test('a container whose process dies while the plugin is down is born again when the engine restarts it', async (t) => {
	const name = world.name();
	const container = await startByLabel(world, t, name, ALWAYS);
	const before = await alive(world, name);
	const { Pid } = (await container.inspect()).State;
	await crashPlugin(world, async () => process.kill(Pid, 'SIGKILL'));
	t.is((await bornAgain(world, name, before)).authorizationId, before.authorizationId);
	await isRevoked(world, before);
});

test('a start that is under way when the plugin dies is refused, and can be done again', async (t) => {
	t.teardown(startAgain);
	const name = world.name();
	const container = await world.plain(t, byLabel(name));
	await ca.stop({ t: 5 });
	const started = t.throwsAsync(container.start());
	// The CA is away: the start is in the records, and waits.
	await eventually('the plugin has begun the start', async () => startIdOf(container.id) !== undefined);
	const plugin = await killPlugin(world);
	t.regex((await started)!.message, /\[plugin-unavailable\]/);
	// The CA is started by calls that the plugin is asked about.
	await successorOf(world, plugin);
	await startAgain();
	await waitUntilEnforced(world.host);
	await container.start();
	await alive(world, name);
});

test('an end that the plugin did not hear is found when it is back', async (t) => {
	const name = world.name();
	const container = await startByLabel(world, t, name);
	const before = await alive(world, name);
	const { Pid } = (await container.inspect()).State;
	await crashPlugin(world, async () => process.kill(Pid, 'SIGKILL'));
	t.is((await isRevoked(world, before)).revocationReason, 'cessationOfOperation');
});

test('a running container keeps its identity through a crash of the plugin, and can still renew', async (t) => {
	const name = world.name();
	const container = await startByLabel(world, t, name);
	const { serial } = await alive(world, name);
	await crashPlugin(world);
	t.is((await world.identity(name))?.serial, serial);
	const renewed = await world.exec(container, [AGENT, 'renew']);
	t.is(renewed.code, 0, renewed.stderr);
});

test('while the plugin is disabled what has a label does not start, and everything else does', async (t) => {
	const name = world.name();
	const running = await startByLabel(world, t, name);
	const { serial } = await alive(world, name);
	const created = await world.plain(t, byLabel(world.name()));
	t.teardown(() => backIntoChain(world));
	t.is((await world.cli(['plugin', 'disable', '--force', world.plugin])).code, 0);
	const refusal = await t.throwsAsync(created.start());
	t.regex(refusal.message, /docker plugin enable birthmark.*\[plugin-unavailable\]/);
	const unlabelled = await world.cli(['run', '--rm', '--runtime', 'birthmark', 'test/busybox', 'echo', 'runs']);
	t.is(unlabelled.stdout, 'runs\n');
	// Nobody judges it meanwhile, so nobody has it in his records either.
	const smuggled = world.name();
	const made = await world.plain(t, byLabel(smuggled));

	await backIntoChain(world);
	const stranger = await t.throwsAsync(made.start());
	t.regex(stranger.message, /create it again.*\[volume-unknown\]/);
	await created.start();
	t.is((await world.identity(name))?.serial, serial, 'the running container kept its identity');
	t.is((await world.exec(running, [AGENT, 'renew'])).code, 0);
});

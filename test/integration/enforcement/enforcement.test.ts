/** Whether the engine asks the plugin is known at every start, and what the operator has to do is what docs/operations.md says. */

import test from 'ava';
import { freePort } from '../../../scripts/ports.ts';
import { reloadEngine, startEngine, stopEngine, writeDaemonJson } from '../../../scripts/private-engine.ts';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { Steps } from '../../../scripts/steps.ts';
import { provision } from '../../../hook/provision.ts';
import { backIntoChain } from '../../support/chain.ts';
import { addRules } from '../../support/policy.ts';
import { eventually, openWorld, type Ran } from '../../support/world.ts';

const world = openWorld();
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };
const SENTINEL = 'birthmark-sentinel';
const CONTROL = '@id("test-enforcement-control") permit (principal, action == Action::"plugin-control", resource);';

async function plugin(...args: readonly string[]): Promise<Ran> {
	return world.cli(['plugin', ...args]);
}

async function scrape(port: number): Promise<string> {
	return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

test.serial('the sentinel volume survives whoever removes and prunes, and keeps the plugin from being disabled by mistake', async (t) => {
	t.timeout(600_000);
	for (const args of [['rm', SENTINEL], ['rm', '--force', SENTINEL]]) {
		const ran = await world.cli(['volume', ...args]);
		t.not(ran.code, 0);
		t.regex(ran.stderr, /daemon\.json.*\[sentinel-needed\]/);
	}
	t.is((await world.cli(['volume', 'prune', '--force'])).code, 0);
	// Engines before 23 remove named volumes without being told so, and do not know the filter.
	await world.docker.pruneVolumes({ filters: JSON.stringify({ all: ['true'] }) }).catch((error: Error) => t.regex(error.message, /invalid filter/i));
	t.is((await world.status())?.inChain, true);
	addRules(t, world, CONTROL);
	const disabled = await plugin('disable', world.plugin);
	t.not(disabled.code, 0);
	t.regex(disabled.stderr, /in use/);
});

test.serial('no token is minted from the first moment without enforcement on, docker run says why, metrics tell, and it recovers by itself', async (t) => {
	t.timeout(600_000);
	const port = await freePort();
	const before = await world.create(t, { commonName: world.name(), organizationalUnit: 'web-api' }, SLEEP);
	addRules(t, world, CONTROL);
	t.teardown(async () => {
		await plugin('disable', '--force', world.plugin);
		await plugin('set', world.plugin, 'METRICS_ADDRESS=');
		await backIntoChain(world);
	});
	for (const args of [['disable', '--force', world.plugin], ['set', world.plugin, `METRICS_ADDRESS=127.0.0.1:${port}`], ['enable', world.plugin]]) {
		const ran = await plugin(...args);
		t.is(ran.code, 0, ran.stderr);
	}

	const refusal = await t.throwsAsync(before.start());
	t.regex(refusal.message, /the engine does not ask the plugin before it acts; put the plugin into .*daemon\.json.*SIGHUP.*\[enforcement-missing\]/);
	const unseen = await world.plain(t, await provision(world.docker, SLEEP, { commonName: world.name(), organizationalUnit: 'web-api' }));
	t.regex((await t.throwsAsync(unseen.start())).message, /\[enforcement-missing\]/, 'nobody saw its creation, and it does not start either');
	const bare = await world.plain(t, { ...SLEEP, Labels: { 'birthmark.cn': world.name(), 'birthmark.ou': 'web-api' } });
	const other = await world.plain(t, SLEEP);
	await t.notThrowsAsync(other.start(), 'who asks for nothing of ours is not disturbed');
	const missing = await scrape(port);
	t.regex(missing, /^birthmark_plugin_enforcement\{state="missing"\} 1$/m);
	t.regex(missing, /^birthmark_plugin_mounts_total\{outcome="refused",reason="enforcement-missing"\} 2$/m);
	t.is((await world.status())?.inChain, false);

	reloadEngine(world.paths);
	await waitUntilEnforced(world.host);
	await before.start();
	t.regex((await t.throwsAsync(unseen.start())).message, /\[volume-unknown\]/, 'what was created meanwhile stays without');
	for (const start of [() => bare.start(), () => bare.restart()]) t.regex((await t.throwsAsync(start())).message, /would start without an identity.*remove it.*\[mount-missing\]/, 'and what nothing would give one does not run at all');
	await world.docker.ping();
	const proved = await scrape(port);
	t.regex(proved, /^birthmark_plugin_enforcement\{state="proved"\} 1$/m);
	for (const phase of ['request', 'response']) t.regex(proved, new RegExp(`^birthmark_plugin_authorizations_total\\{phase="${phase}",outcome="passed",reason=""\\} [1-9]`, 'm'), 'this engine writes its questions as expected');
});

test.serial('an engine whose daemon.json names a disabled plugin does not start; the documented way brings both back', async (t) => {
	t.timeout(600_000);
	const steps = new Steps(`${world.state}/logs/enforcement.log`);
	const withdraw = addRules(t, world, CONTROL);
	const recover = async (): Promise<void> => {
		writeDaemonJson(world.paths, []);
		await startEngine(steps, world.paths);
		await backIntoChain(world);
	};
	t.teardown(async () => {
		if ((await world.status().catch(() => undefined))?.inChain !== true) await recover();
	});
	t.is((await plugin('disable', '--force', world.plugin)).code, 0);
	withdraw();
	await stopEngine(world.paths);
	await t.throwsAsync(startEngine(steps, world.paths), { message: /did not start/ });
	await recover();
	const name = world.name();
	await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	t.truthy(await eventually('the identity is live', () => world.identity(name)));
	const doctor = await world.birthmark(['doctor']);
	t.is(doctor.code, 0, doctor.stdout);
	addRules(t, world, CONTROL);
	t.regex((await plugin('disable', world.plugin)).stderr, /in use/, 'the engine counts the sentinel again');
});

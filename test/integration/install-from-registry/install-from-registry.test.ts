/** Installing as users do: push to a registry, `docker plugin install` on an engine that never had it, settings and all. */

import { readFileSync } from 'node:fs';
import test from 'ava';
import tmp from 'tmp';
import { engineEnvironment } from '../../../scripts/engines.ts';
import { dockerCommand } from '../../../scripts/images.ts';
import { BUILD, enginePaths } from '../../../scripts/paths.ts';
import { reloadEngine, removeEngine, startEngine, writeDaemonJson } from '../../../scripts/private-engine.ts';
import { pluginStatus, waitUntilEnforced } from '../../../scripts/set-up.ts';
import { Steps } from '../../../scripts/steps.ts';
import { buildTestImages } from '../../../scripts/test-images.ts';
import { newCommand } from '../../support/command.ts';
import { startRegistry } from '../../support/registry.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();

test('a plugin pushed to a registry is installed from there, joins, is set, and gives identities', async (t) => {
	t.timeout(600_000);
	const steps = new Steps(`${world.state}/logs/registry.log`);
	const registry = await startRegistry(t);
	const reference = `${registry}/birthmark:1`;
	const state = tmp.dirSync({ prefix: 'birthmark-second-', unsafeCleanup: true });
	const paths = enginePaths(state.name);
	t.teardown(() => removeEngine(steps, paths));
	await startEngine(steps, paths);
	const docker = dockerCommand(steps, paths.host);
	await buildTestImages(steps, docker, ['busybox']);

	// Made here, not on the engine of the other stories: an engine takes the same content only once.
	await docker(['plugin', 'create', reference, `${BUILD}/plugin`]);
	await docker(['plugin', 'push', reference]);
	await docker(['plugin', 'rm', reference]);

	const token = await world.birthmark(['node', 'token', '--name', 'second-host', '--allow', 'job*/batch']);
	t.is(token.code, 0, token.stderr);
	const settings = [`CA_URL=${world.caUrl}`, `JOIN_TOKEN=${token.stdout.trim()}`, `run.source=${paths.run}`, 'LOG_LEVEL=debug'];
	await docker(['plugin', 'install', '--alias', 'birthmark', '--grant-all-permissions', reference, ...settings]);
	const birthmark = newCommand(t);
	const engine = (...args: string[]) => birthmark(['engine', ...args, '--host', paths.host, '--directory', `${paths.state}/runtime`], { env: engineEnvironment() });
	const before = readFileSync(paths.daemonJson, 'utf8');
	const setUp = await engine('setup', '--default', '--authorization');
	t.is(setUp.code, 0, setUp.stdout + setUp.stderr);
	const status = await waitUntilEnforced(paths.host);
	t.is(status.node, 'second-host');

	const name = world.name('job');
	await docker(['run', '--detach', '--name', name, '--label', 'birthmark.cn=auto', '--label', 'birthmark.ou=batch', 'test/busybox', 'sleep', '600']);
	const identity = await eventually('the identity is live', () => world.identity(name));
	t.is(identity.node, 'second-host');
	const refused = await docker(['create', '--label', 'birthmark.cn=api01', '--label', 'birthmark.ou=web-api', 'test/busybox'], { mayFail: true });
	t.regex(refused.stderr, /\[name-not-allowed\]/, 'what the other node may, this one may not');

	// Every setting says what it is for.
	const inspected = JSON.parse((await docker(['plugin', 'inspect', 'birthmark'])).stdout) as Array<{ Config: { Env: Array<{ Name: string; Description: string; Settable: string[] | null }>; Mounts: Array<{ Name: string; Description: string }> } }>;
	const { Env, Mounts } = inspected[0]!.Config;
	for (const { Name, Description, Settable } of Env) {
		t.true(Description.length > 10, `${Name} has a description`);
		t.deepEqual(Settable, ['value'], `${Name} can be set`);
	}
	for (const { Name, Description } of Mounts) t.true(Description.length > 10, `${Name} has a description`);

	// Settings are honoured: a plugin whose CA is elsewhere says so.
	const refusedDisable = await docker(['plugin', 'disable', '--force', 'birthmark'], { mayFail: true });
	t.regex(refusedDisable.stderr, /\[policy-refused\]/, 'as long as it is in the chain');
	writeDaemonJson(paths, []);
	reloadEngine(paths);
	await eventually('it is out of the chain', async () => (await pluginStatus(paths.host))?.inChain === false);
	await docker(['plugin', 'disable', '--force', 'birthmark']);
	await docker(['plugin', 'set', 'birthmark', 'CA_URL=https://127.0.0.1:9']);
	await docker(['plugin', 'enable', 'birthmark']);
	writeDaemonJson(paths, ['birthmark']);
	reloadEngine(paths);
	await eventually('the new address is in use', async () => {
		const now = await pluginStatus(paths.host);
		return now !== undefined && now.joined && now.ca !== 'reachable';
	});

	await docker(['rm', '--force', name]);
	const undone = await engine('undo');
	t.is(undone.code, 0, undone.stdout + undone.stderr);
	await eventually('nobody asks it any more', async () => (await pluginStatus(paths.host))?.inChain === false);
	t.deepEqual(JSON.parse(readFileSync(paths.daemonJson, 'utf8')), JSON.parse(before));
});

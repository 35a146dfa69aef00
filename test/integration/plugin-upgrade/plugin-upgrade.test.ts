/** Another version takes the plugin's place while somebody tries, again and again, to get past it, and the command is killed on its way. */

import { spawn } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import tmp from 'tmp';
import { BUILD, TOOLS } from '../../../scripts/paths.ts';
import { toolEnvironment } from '../../../scripts/packages.ts';
import { waitUntilEnforced } from '../../../scripts/set-up.ts';
import { startRegistry } from '../../support/registry.ts';
import { AGENT, eventually, openWorld } from '../../support/world.ts';

const world = openWorld();
const COMMAND = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));
const SLEEP = { Image: 'test/busybox', Entrypoint: ['sleep'], Cmd: ['600'] };
const BOLD = { ...SLEEP, HostConfig: { Binds: [`${world.paths.run}/birthmark:/stolen`] } };

interface Ended {
	readonly code: number | null;
	readonly lines: readonly string[];
	readonly stderr: string;
}

/** @param killAt the command is killed as soon as it says that it is at this step */
function upgrade(state: string, args: readonly string[], killAt?: string): Promise<Ended> {
	return new Promise((resolve) => {
		const options = ['--daemon-json', world.paths.daemonJson, '--state', state];
		const child = spawn(process.execPath, [COMMAND, 'plugin', 'upgrade', ...options, ...args], { env: { ...process.env, ...toolEnvironment(TOOLS), DOCKER_HOST: world.host } });
		const lines: string[] = [];
		let stderr = '';
		createInterface({ input: child.stdout }).on('line', (line) => {
			lines.push(line);
			if (killAt !== undefined && line.includes(killAt)) child.kill('SIGKILL');
		});
		child.stderr.on('data', (chunk: Buffer) => void (stderr += chunk.toString()));
		child.on('close', (code) => resolve({ code, lines, stderr }));
	});
}

/** The plugin that was built with one comment more, in a registry: an engine takes the same content only once. */
async function publish(reference: string): Promise<void> {
	const directory = tmp.dirSync({ unsafeCleanup: true });
	try {
		const copy = join(directory.name, 'plugin');
		mkdirSync(copy);
		cpSync(join(BUILD, 'plugin'), copy, { recursive: true, verbatimSymlinks: true });
		appendFileSync(join(copy, 'rootfs/app/plugin.mjs'), `// ${reference}\n`);
		for (const args of [['create', reference, copy], ['push', reference], ['rm', reference]]) {
			const ran = await world.cli(['plugin', ...args]);
			if (ran.code !== 0) throw new Error(`docker plugin ${args[0]}: ${ran.stderr}`);
		}
	} finally {
		directory.removeCallback();
	}
}

test('the plugin is replaced without a gap and without stopping a container, although the command is killed twice', async (t) => {
	t.timeout(600_000);
	const registry = await startRegistry(t);
	const reference = `${registry}/birthmark:next`;
	await publish(reference);
	const state = join(world.state, 'upgrade.json');
	t.teardown(async () => {
		if ((await upgrade(state, ['--resume'])).code !== 0) rmSync(state, { force: true });
		await waitUntilEnforced(world.host);
	});
	const name = world.name();
	const running = await world.start(t, { commonName: name, organizationalUnit: 'web-api' }, SLEEP);
	const { serial } = await eventually('the identity is live', () => world.identity(name));
	const before = await running.inspect();
	const { Id: pluginId } = (await world.docker.getPlugin(world.plugin, world.plugin).inspect()) as { Id: string };

	const dry = await upgrade(state, ['--dry-run', reference]);
	t.is(dry.code, 0, dry.stderr);
	t.regex(dry.lines[0] ?? '', /nothing was changed/);

	const said: string[] = [];
	let over = false;
	const attack = (async () => {
		while (!over) {
			for (const attempt of [() => world.docker.createContainer(BOLD), () => running.getArchive({ path: '/run/birthmark' })]) {
				said.push(await attempt().then(() => 'let through', (error: Error) => error.message));
			}
		}
	})();

	const first = await upgrade(state, [reference], 'disable the plugin');
	t.is(first.code, null, first.stderr);
	const refused = await upgrade(state, [reference]);
	t.regex(refused.stderr, /--resume/, 'it is not begun twice');
	const second = await upgrade(state, ['--resume'], 'put it back into the authorization chain');
	t.is(second.code, null, second.stderr);
	const third = await upgrade(state, ['--resume']);
	t.is(third.code, 0, third.stderr);
	over = true;
	await attack;

	t.deepEqual(said.filter((message) => message === 'let through'), []);
	t.true(said.some((message) => message.includes(`denied by plugin ${world.plugin}-guard`)), 'the stand-in judged');
	t.true(said.some((message) => message.includes(`denied by plugin ${world.plugin}:latest`)), 'the plugin judged');
	t.deepEqual(JSON.parse(readFileSync(world.paths.daemonJson, 'utf8'))['authorization-plugins'], [world.plugin]);
	const plugins = (await world.docker.listPlugins()) as { Id: string; Name: string; PluginReference: string }[];
	t.deepEqual(plugins.map(({ Id, PluginReference }) => [Id, PluginReference]), [[pluginId, reference]]);

	const after = await running.inspect();
	t.is(after.State.Pid, before.State.Pid, 'the container ran on');
	t.is((await world.identity(name))?.serial, serial, 'with its identity');
	const renewed = await world.exec(running, [AGENT, 'renew']);
	t.is(renewed.code, 0, renewed.stderr);
	const next = world.name();
	await world.start(t, { commonName: next, organizationalUnit: 'web-api' }, SLEEP);
	t.truthy(await eventually('a new container gets an identity', () => world.identity(next)));
});

/** `birthmark engine setup` and `undo` on an engine of their own that has containers and settings already. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import tmp from 'tmp';
import { engineEnvironment } from '../../../scripts/engines.ts';
import { dockerCommand } from '../../../scripts/images.ts';
import { enginePaths } from '../../../scripts/paths.ts';
import { removeEngine, startEngine, stopEngine } from '../../../scripts/private-engine.ts';
import { Steps } from '../../../scripts/steps.ts';
import { buildTestImages } from '../../../scripts/test-images.ts';
import { whileLocked } from '../../../cli/engine/setup-lock.ts';
import { followReloads } from '../../../plugin/engine-reloads.ts';
import { newCommand } from '../../support/command.ts';
import { eventually, openWorld } from '../../support/world.ts';

const world = openWorld();

interface Report {
	readonly healthy: boolean;
	readonly findings: ReadonlyArray<{ readonly verdict: string; readonly detail: string }>;
}

/** An engine without a plugin, with a runtime of somebody else in its daemon.json. */
async function ownEngine(t: ExecutionContext) {
	const state = tmp.dirSync({ prefix: 'birthmark-setup-', unsafeCleanup: true });
	const paths = enginePaths(state.name);
	const steps = new Steps(`${world.state}/logs/engine-setup.log`);
	t.teardown(() => removeEngine(steps, paths));
	await startEngine(steps, paths, { settings: { runtimes: { other: { path: '/usr/bin/other' } } } });
	const docker = dockerCommand(steps, paths.host);
	await buildTestImages(steps, docker, ['busybox']);
	const birthmark = newCommand(t);
	const directory = join(paths.state, 'runtime');
	return {
		paths, steps, docker, directory,
		engine: (command: string, ...args: string[]) => birthmark(['engine', command, '--host', paths.host, ...(command === 'status' ? [] : ['--directory', directory]), ...args], { env: engineEnvironment() }),
		runtimeOf: async (name: string) => (await docker(['inspect', '--format', '{{.HostConfig.Runtime}}', name])).stdout.trim(),
	};
}

/** As the plugin hears of them. @returns how many came */
function reloadsOf(t: ExecutionContext, socketPath: string): () => number {
	const closing = new AbortController();
	t.teardown(() => closing.abort());
	let reloads = 0;
	void followReloads({ socketPath, headers: {} }, { onBegin: () => undefined, onReload: () => void reloads++ }, closing.signal).catch(() => undefined);
	return () => reloads;
}

test('an engine gets the runtime without a restart, keeps what it had, and loses it again', async (t) => {
	t.timeout(600_000);
	const { paths, steps, docker, directory, engine, runtimeOf } = await ownEngine(t);
	const before = readFileSync(paths.daemonJson, 'utf8');
	const works = async (command: string, ...args: string[]) => {
		const ran = await engine(command, ...args);
		t.is(ran.code, 0, ran.stdout + ran.stderr);
		return ran;
	};
	await docker(['run', '--detach', '--name', 'earlier', '--stop-timeout', '1', 'test/busybox', 'sleep', '600']);
	t.regex((await works('status')).stdout, /not set up/);

	const dry = await works('setup', '--default', '--dry-run');
	t.regex(dry.stdout, /\+ .*"default-runtime": "birthmark"/);
	t.is(readFileSync(paths.daemonJson, 'utf8'), before);

	const both = await whileLocked(paths.daemonJson, () => engine('setup'));
	t.is(both.code, 1);
	t.regex(both.stderr, /another birthmark command is changing .*daemon\.json; nothing was changed.*\[setup-failed\]/);
	t.is(readFileSync(paths.daemonJson, 'utf8'), before);
	const reloads = reloadsOf(t, paths.socket);
	await works('setup');
	await eventually('the engine tells that it has reloaded', async () => reloads() > 0);
	t.is((await docker(['run', '--rm', '--runtime', 'birthmark', 'test/busybox', 'echo', 'it runs'])).stdout, 'it runs\n');
	await works('setup', '--default');
	const { stdout } = await works('setup', '--default', '--json');
	t.like(JSON.parse(stdout), { runtime: 'birthmark', outcome: 'unchanged', daemonJson: paths.daemonJson });
	await docker(['run', '--detach', '--name', 'later', '--stop-timeout', '1', '--restart', 'always', 'test/busybox', 'sleep', '600']);
	t.is(await runtimeOf('later'), 'birthmark');
	t.is(await runtimeOf('earlier'), 'runc');
	t.is((await docker(['exec', 'later', 'echo', 'it lives'])).stdout, 'it lives\n');
	t.like((await works('status', '--json')).json<Report>().findings[0], { verdict: 'ok' });
	const labelled = await docker(['run', '--rm', '--label', 'birthmark.cn=api01', 'test/busybox', 'true'], { mayFail: true });
	// This engine has no plugin; at the usual place may be that of another engine of the host, which knows no such container.
	t.regex(labelled.stderr, /birthmark: .*\[(?:plugin-unavailable|volume-unknown)\]/, 'a label is never without effect');

	await stopEngine(paths);
	await startEngine(steps, paths);
	t.is((await docker(['exec', 'later', 'echo', 'it came back'])).stdout, 'it came back\n');

	const settings = join(directory, 'birthmark-runtime.conf');
	const good = readFileSync(settings, 'utf8');
	writeFileSync(settings, good.replace(/^data-root=.*$/m, 'data-root=/var/lib/elsewhere'));
	const faulty = await engine('status', '--json');
	t.is(faulty.code, 3);
	t.regex(faulty.json<Report>().findings[0]!.detail, /looks for containers in \/var\/lib\/elsewhere/);
	await works('setup', '--default');
	t.is(readFileSync(settings, 'utf8'), good);

	const early = await engine('undo');
	t.is(early.code, 1);
	t.regex(early.stderr, /^birthmark: later could not be started any more.*--force.*\[setup-failed\]/m);
	await docker(['rm', '--force', 'later']);
	await works('undo');
	t.is(readFileSync(paths.daemonJson, 'utf8'), before);
	t.deepEqual(readdirSync(paths.state).filter((name) => name === 'runtime' || name.endsWith('.bak')), []);
	t.is((await docker(['info', '--format', '{{.DefaultRuntime}} {{range $name, $_ := .Runtimes}}{{$name}} {{end}}'])).stdout.includes('birthmark'), false);
	t.is((await docker(['run', '--rm', 'test/busybox', 'echo', 'as before'])).stdout, 'as before\n');
	t.is((await docker(['inspect', '--format', '{{.State.Running}}', 'earlier'])).code, 0);
});

test('a configuration that the engine would not take is not written, and one that it does not take is taken back', async (t) => {
	t.timeout(600_000);
	const { paths, docker, directory, engine } = await ownEngine(t);
	const before = readFileSync(paths.daemonJson, 'utf8');
	const unknown = before.replace('{', '{\n\t"there-is-no-such-directive": 1,');
	writeFileSync(paths.daemonJson, unknown);
	const refused = await engine('setup', '--wait', '2');
	t.is(refused.code, 1, refused.stdout);
	t.regex(refused.stderr, /the engine would not take|the engine did not take/);
	t.is(readFileSync(paths.daemonJson, 'utf8'), unknown);
	t.deepEqual(readdirSync(paths.state).filter((name) => name === 'runtime' || name.endsWith('.bak')), []);

	const closed = before.replace(/("authorization-plugins": )\[\]/, '$1["nobody"]');
	t.not(closed, before);
	writeFileSync(paths.daemonJson, closed);
	const wouldExit = await engine('setup');
	t.regex(wouldExit.stderr, /the engine would exit: .*"nobody".*not installed.*\[setup-failed\]/);
	t.is(readFileSync(paths.daemonJson, 'utf8'), closed);
	t.false(readdirSync(paths.state).includes(directory));
	t.is((await docker(['version'])).code, 0);
});

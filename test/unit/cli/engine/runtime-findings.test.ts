import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { VERSION } from '#common/protocol/version.ts';
import { createRuntimeFiles } from '../../../../cli/engine/runtime-files.ts';
import { runtimeFindings } from '../../../../cli/engine/runtime-findings.ts';
import { temporaryFolder } from '../../../support/ca.ts';

const PLUGIN = { name: 'birthmark:latest', enabled: true, run: '/run' };

async function installed(t: ExecutionContext, version = VERSION) {
	const folder = temporaryFolder(t);
	const built = join(folder, 'built');
	writeFileSync(built, `#!/bin/sh\n[ "$1" = --birthmark-version ] && echo birthmark-runtime ${version}\n`);
	chmodSync(built, 0o755);
	const files = createRuntimeFiles(join(folder, 'lib'), built);
	const settings = { runtime: '/bin/sh', dataRoot: '/var/lib/docker', socket: '/run/birthmark/hook.sock' };
	await files.install(settings);
	const find = (defaultRuntime = 'runc', isHere = true) =>
		runtimeFindings({ runtimes: { dataRoot: '/var/lib/docker', defaultRuntime, runtimes: { birthmark: { path: files.program } } }, plugin: PLUGIN, status: undefined }, isHere);
	return { files, settings, find };
}

test('an engine without it is in order, and told what it would be good for', async (t) => {
	const [finding] = await runtimeFindings({ runtimes: { dataRoot: '/x', defaultRuntime: 'runc', runtimes: { runc: { path: 'runc' } } }, plugin: PLUGIN, status: undefined }, true);
	t.like(finding, { check: 'runtime', verdict: 'ok' });
	t.regex(finding!.detail, /not set up.*birthmark engine setup/);
});

test('whether it is the default is told, and its version', async (t) => {
	const { find } = await installed(t);
	t.deepEqual(await find(), [{ check: 'runtime', verdict: 'ok', detail: `birthmark is there for --runtime birthmark, not the default, version ${VERSION}` }]);
	t.regex((await find('birthmark'))[0]!.detail, /^birthmark is the default runtime, version/);
});

test('of an engine elsewhere only what it says is known', async (t) => {
	const { find, files } = await installed(t);
	rmSync(files.program);
	t.is((await find('birthmark', false))[0]!.verdict, 'ok');
});

for (const [what, change, says] of [
	['whose program is gone', ({ files }) => rmSync(files.program), /is not there.*makes no container/],
	['without settings', ({ files }) => rmSync(`${files.program}.conf`), /\.conf is not there/],
	['with settings of which one is missing', ({ files }) => writeFileSync(`${files.program}.conf`, 'runtime=/bin/sh\n'), /\.conf is not there, or not understood/],
	['for another engine', ({ files, settings }) => files.install({ ...settings, dataRoot: '/srv/docker' }), /\/srv\/docker, and the engine keeps them in \/var\/lib\/docker/],
	['in front of nothing', ({ files, settings }) => files.install({ ...settings, runtime: '/nonexistent/runc' }), /\/nonexistent\/runc, cannot be run/],
	['that asks another plugin', ({ files, settings }) => files.install({ ...settings, socket: '/srv/hook.sock' }), /asks on \/srv\/hook\.sock, and the plugin listens on \/run\/birthmark/],
] as const satisfies ReadonlyArray<readonly [string, (it: Awaited<ReturnType<typeof installed>>) => unknown, RegExp]>) {
	test(`one ${what} is a fault`, async (t) => {
		const it = await installed(t);
		await change(it);
		const [finding] = await it.find('birthmark');
		t.like(finding, { verdict: 'fault', remedy: 'as root: birthmark engine setup' });
		t.regex(finding!.detail, says);
	});
}

test('one of another version than the plugin is a warning', async (t) => {
	const { find } = await installed(t, '9.9.9');
	t.like((await find())[0], { verdict: 'warning' });
});

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createRuntimeFiles } from '../../../../cli/engine/runtime-files.ts';
import { settingsFor } from '../../../../cli/engine/runtime-settings.ts';
import type { EngineRuntimes } from '../../../../cli/engine/setup.ts';
import { temporaryFolder } from '../../../support/ca.ts';

function host(t: ExecutionContext, ...programs: string[]) {
	const folder = temporaryFolder(t);
	for (const name of programs) {
		writeFileSync(join(folder, name), '#!/bin/sh\n');
		chmodSync(join(folder, name), 0o755);
	}
	mkdirSync(join(folder, 'lib'));
	return { folder, program: join(folder, 'lib/birthmark-runtime'), process: { environment: { PATH: `/nonexistent:${folder}` } } };
}

const engine = (more: Partial<EngineRuntimes> = {}): EngineRuntimes => ({ dataRoot: '/var/lib/docker', defaultRuntime: 'runc', runtimes: { runc: { path: 'runc' } }, ...more });

test('behind it is what made containers before, by the path of the engine', (t) => {
	const { folder, program, process } = host(t, 'runc', 'crun');
	t.deepEqual(settingsFor(engine(), process, undefined, program), { runtime: join(folder, 'runc'), dataRoot: '/var/lib/docker', socket: '/run/birthmark/hook.sock' });
	t.is(settingsFor(engine({ defaultRuntime: 'crun', runtimes: { crun: { path: join(folder, 'crun') } } }), process, undefined, program).runtime, join(folder, 'crun'));
	t.is(settingsFor(engine(), process, undefined, program, join(folder, 'crun')).runtime, join(folder, 'crun'));
});

test('once it is the default itself, what is behind it stays', async (t) => {
	const { folder, program, process } = host(t, 'runc', 'crun', 'built');
	const ours = engine({ defaultRuntime: 'birthmark', runtimes: { runc: { path: 'runc' }, birthmark: { path: program } } });
	t.is(settingsFor(ours, process, undefined, program).runtime, join(folder, 'runc'));
	await createRuntimeFiles(join(folder, 'lib'), join(folder, 'built')).install({ runtime: join(folder, 'crun'), dataRoot: '/x', socket: '/y' });
	t.is(settingsFor(ours, process, undefined, program).runtime, join(folder, 'crun'));
});

test('the plugin is asked where it listens on this host', (t) => {
	const { program, process } = host(t, 'runc');
	t.is(settingsFor(engine(), process, { name: 'birthmark:latest', enabled: true, run: '/srv/run' }, program).socket, '/srv/run/birthmark/hook.sock');
});

test('a runtime that is not there, or is called with arguments, is named', (t) => {
	const { program, process } = host(t);
	t.throws(() => settingsFor(engine(), process, undefined, program), { code: 'setup-failed', message: /no program "runc".*--runtime/ } as never);
	t.throws(() => settingsFor(engine({ defaultRuntime: 'x', runtimes: { x: { path: '/x', runtimeArgs: ['--debug'] } } }), process, undefined, program), { code: 'setup-failed', message: /arguments of its own.*--runtime/ } as never);
});

test('a runtime without a program is not replaced by another one, and ours is not put in front of itself', (t) => {
	const { folder, program, process } = host(t, 'runc', 'birthmark-runtime');
	const shim = engine({ defaultRuntime: 'kata', runtimes: { runc: { path: 'runc' }, kata: {} } });
	t.throws(() => settingsFor(shim, process, undefined, program), { code: 'setup-failed', message: /"kata" has no program.*--runtime/ } as never);
	t.is(settingsFor(shim, process, undefined, program, 'runc').runtime, join(folder, 'runc'));
	symlinkSync('birthmark-runtime', join(folder, 'other'));
	for (const ours of ['birthmark-runtime', 'other']) {
		t.throws(() => settingsFor(engine(), process, undefined, program, join(folder, ours)), { code: 'setup-failed', message: /birthmark-runtime itself.*--runtime/ } as never);
	}
});

import test from 'ava';
import { ourRuntimes } from '#common/protocol/engine-runtimes.ts';
import { isOurRuntime, runtimeOption, runtimePaths } from '../../../../plugin/authz/runtimes.ts';
import type { EngineInfo } from '../../../../plugin/docker.ts';

const info = (Runtimes: Readonly<Record<string, { readonly path?: string }>> | null, DefaultRuntime = 'runc'): EngineInfo => ({ Name: 'h', DockerRootDir: '/', Runtimes, DefaultRuntime });
const OURS = { path: '/usr/local/lib/birthmark/birthmark-runtime' };
const BOTH = { runc: { path: 'runc' }, birthmark: OURS };

test('a runtime is ours by its program, whatever it is called', (t) => {
	t.true(isOurRuntime(info({ ...BOTH, mine: OURS }), 'mine'));
	t.false(isOurRuntime(info({ runc: { path: 'runc' }, birthmark: { path: '/usr/bin/crun' } }), 'birthmark'));
	t.false(isOurRuntime(info(BOTH), 'runc'));
	t.false(isOurRuntime(info(BOTH), 'none-such'));
	t.false(isOurRuntime(info({ x: {}, y: { path: '/x/birthmark-runtime/runc' } }), 'x'));
	t.false(isOurRuntime(info(null), 'birthmark'));
});

test('a container that names none has the default', (t) => {
	t.false(isOurRuntime(info(BOTH), ''));
	t.true(isOurRuntime(info(BOTH, 'birthmark'), ''));
	t.deepEqual(ourRuntimes(info(BOTH, 'birthmark')), { names: ['birthmark'], isDefault: true });
});

test('what the engine runs lies at absolute paths, and beside ours is what belongs to it', (t) => {
	const ours = ['birthmark-runtime', 'birthmark-runtime.conf', 'engine-setup.json'].map((name) => `/usr/local/lib/birthmark/${name}`);
	t.deepEqual(runtimePaths(info({ ...BOTH, kata: { path: '/opt/kata/bin/kata-runtime' }, shim: {} })), [...ours, '/opt/kata/bin/kata-runtime']);
	t.deepEqual(runtimePaths(info(null)), []);
});

test('the remedy names the runtime that is there', (t) => {
	t.is(runtimeOption(info(BOTH)), 'use --runtime birthmark');
	t.regex(runtimeOption(info({})), /birthmark engine setup/);
});

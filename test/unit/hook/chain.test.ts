import test, { type ExecutionContext } from 'ava';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addToChain, type ChainDeps } from '../../../hook/chain.ts';
import type { Undo } from '../../../hook/environment.ts';
import { temporaryFolder } from '../../support/ca.ts';

/** An engine of this host, which can be started anew. */
function engineOfHost(t: ExecutionContext, ...args: string[]) {
	const daemonJson = join(temporaryFolder(t), 'daemon.json');
	const state = { pid: 7, reloaded: [] as number[], disabled: [] as string[] };
	const deps: ChainDeps = { findEngine: () => ({ pid: state.pid, args, daemonJson }), reload: (pid) => void state.reloaded.push(pid) };
	const engine = { listPlugins: async () => ['other', 'birthmark', 'third'].map((name) => ({ Name: `${name}:latest`, Enabled: !state.disabled.includes(name) })) };
	return { engine, state, deps, daemonJson, chain: () => (JSON.parse(readFileSync(daemonJson, 'utf8')) as object & Record<string, unknown>)['authorization-plugins'] };
}

test('the plugin is taken out of the chain again, and what others did meanwhile stays', async (t) => {
	const { engine, deps, state, daemonJson, chain } = engineOfHost(t);
	writeFileSync(daemonJson, '{"authorization-plugins": ["other"], "debug": true}');
	const undo: Undo = [];
	await addToChain(engine, '/run/docker.sock', 'birthmark', undo, deps);
	t.deepEqual(chain(), ['other', 'birthmark']);
	writeFileSync(daemonJson, '{"authorization-plugins": ["other", "birthmark", "third"]}');
	// The engine was started anew: the number of the one before may be anybody's.
	state.pid = 8;
	for (const step of undo) await step();
	t.deepEqual(chain(), ['other', 'third']);
	t.deepEqual(state.reloaded, [7, 8]);
});

test('an engine that has its chain on the command line is left as it is', async (t) => {
	const { engine, deps, state, daemonJson } = engineOfHost(t, '--authorization-plugin=other');
	const undo: Undo = [];
	await t.throwsAsync(addToChain(engine, '/run/docker.sock', 'birthmark', undo, deps), { code: 'config-invalid', message: /--authorization-plugin/ } as never);
	for (const step of undo) await step();
	t.false(existsSync(daemonJson));
	t.deepEqual(state.reloaded, []);
});

test('an engine whose chain names a disabled plugin would exit: it gets no signal, neither to add to it nor to take away', async (t) => {
	const { engine, deps, state, daemonJson } = engineOfHost(t);
	const before = '{"authorization-plugins": ["other"]}';
	writeFileSync(daemonJson, before);
	const undo: Undo = [];
	state.disabled = ['other'];
	await t.throwsAsync(addToChain(engine, '/run/docker.sock', 'birthmark', undo, deps), { code: 'setup-failed', message: /the engine would exit: .*"other", which is disabled; enable it first/ } as never);
	t.is(readFileSync(daemonJson, 'utf8'), before);
	for (const step of undo.splice(0)) await step();

	state.disabled = [];
	await addToChain(engine, '/run/docker.sock', 'birthmark', undo, deps);
	state.disabled = ['other'];
	for (const step of undo) await t.throwsAsync(step(), { message: /would exit/ });
	t.deepEqual(state.reloaded, [7]);
});

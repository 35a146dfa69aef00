import test, { type ExecutionContext } from 'ava';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addToChain, type ChainDeps } from '../../../hook/chain.ts';
import type { Undo } from '../../../hook/environment.ts';
import { temporaryFolder } from '../../support/ca.ts';

/** An engine of this host, which can be started anew. */
function engine(t: ExecutionContext, ...args: string[]) {
	const daemonJson = join(temporaryFolder(t), 'daemon.json');
	const state = { pid: 7, reloaded: [] as number[] };
	const deps: ChainDeps = { findEngine: () => ({ pid: state.pid, args, daemonJson }), reload: (pid) => void state.reloaded.push(pid) };
	return { state, deps, daemonJson, chain: () => (JSON.parse(readFileSync(daemonJson, 'utf8')) as object & Record<string, unknown>)['authorization-plugins'] };
}

test('the plugin is taken out of the chain again, and what others did meanwhile stays', async (t) => {
	const { deps, state, daemonJson, chain } = engine(t);
	writeFileSync(daemonJson, '{"authorization-plugins": ["other"], "debug": true}');
	const undo: Undo = [];
	await addToChain('/run/docker.sock', 'birthmark', undo, deps);
	t.deepEqual(chain(), ['other', 'birthmark']);
	writeFileSync(daemonJson, '{"authorization-plugins": ["other", "birthmark", "third"]}');
	// The engine was started anew: the number of the one before may be anybody's.
	state.pid = 8;
	for (const step of undo) await step();
	t.deepEqual(chain(), ['other', 'third']);
	t.deepEqual(state.reloaded, [7, 8]);
});

test('an engine that has its chain on the command line is left as it is', async (t) => {
	const { deps, state, daemonJson } = engine(t, '--authorization-plugin=other');
	const undo: Undo = [];
	await t.throwsAsync(addToChain('/run/docker.sock', 'birthmark', undo, deps), { code: 'config-invalid', message: /--authorization-plugin/ } as never);
	for (const step of undo) await step();
	t.false(existsSync(daemonJson));
	t.deepEqual(state.reloaded, []);
});

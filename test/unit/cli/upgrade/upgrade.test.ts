import test from 'ava';
import type { UpgradeState } from '../../../../cli/upgrade/state.ts';
import { STEPS } from '../../../../cli/upgrade/steps.ts';
import { planUpgrade, runUpgrade, undone, type UpgradeDeps } from '../../../../cli/upgrade/upgrade.ts';
import { FakeUpgradeEngine, RUN } from '../../../fakes/upgrade-engine.ts';

const NEW = 'registry/birthmark:2';
const OLD = 'registry/birthmark:1';

function world(engine = new FakeUpgradeEngine()) {
	let saved: UpgradeState | undefined;
	const permits: string[] = [];
	const deps: UpgradeDeps = {
		engine,
		stateFile: { read: () => saved, write: async (state) => void (saved = state), remove: () => (saved = undefined) },
		readChain: () => engine.file,
		writeChain: engine.writeChain,
		reload: engine.reload,
		grant: async () => [],
		writePermit: async (path) => {
			permits.push(path);
			return { secret: 'x', remove: () => void permits.pop() };
		},
		onStep: () => undefined,
		pollMs: 1,
	};
	return { engine, deps, permits, saved: () => saved };
}

const isWhole = (engine: FakeUpgradeEngine) => ({ reference: engine.all.get('birthmark')?.reference, enabled: engine.all.get('birthmark')?.enabled, chain: engine.chain, file: engine.file, plugins: [...engine.all.keys()], gaps: engine.gaps, exited: engine.exited });
const whole = (reference: string) => ({ reference, enabled: true, chain: ['other', 'birthmark'], file: ['other', 'birthmark'], plugins: ['birthmark'], gaps: 0, exited: false });

test('afterwards the new version is in force, with its settings, and nothing is left over', async (t) => {
	const { engine, deps, permits, saved } = world();
	const upgraded = await runUpgrade(deps, await planUpgrade(deps, 'birthmark', NEW));
	t.deepEqual(upgraded, { plugin: 'birthmark', from: OLD, to: NEW, outcome: 'done' });
	t.deepEqual(isWhole(engine), whole(NEW));
	t.deepEqual(engine.all.get('birthmark')!.env, ['CA_URL=https://ca', 'LOG_LEVEL=debug']);
	t.deepEqual(engine.all.get('birthmark')!.run, { shown: RUN, mounted: RUN });
	t.deepEqual(permits, []);
	t.is(saved(), undefined);
});

test('the stand-in has the settings of the plugin, except those that make it a member of the CA', async (t) => {
	const { engine, deps } = world();
	engine.before = (call) => {
		if (call === 'upgrade') t.deepEqual(engine.all.get('birthmark-guard')!.env.sort(), [`GUARD_OF=${'1'.repeat(64)}`, 'LOG_LEVEL=debug']);
	};
	await runUpgrade(deps, await planUpgrade(deps, 'birthmark', NEW));
});

test('at every change somebody of ours is in the chain, and a restart of the engine would find it so', async (t) => {
	const { engine, deps } = world();
	engine.before = () => {
		t.true(engine.chain.some((name) => name.startsWith('birthmark') && engine.all.get(name)?.enabled));
		t.true(engine.file.every((name) => name === 'other' || engine.all.get(name)?.enabled), engine.file.join());
	};
	await runUpgrade(deps, await planUpgrade(deps, 'birthmark', NEW));
	t.false(engine.exited);
});

/** How many changes a whole upgrade makes. */
async function countChanges(): Promise<number> {
	const { engine, deps } = world();
	let changes = 0;
	engine.before = () => void changes++;
	await runUpgrade(deps, await planUpgrade(deps, 'birthmark', NEW));
	return changes;
}

/** As if the process had been killed: nothing more is done, not even going back. */
class Killed extends Error {}

test('killed before any change, or after it, it can be resumed, and be undone', async (t) => {
	const changes = await countChanges();
	t.true(changes >= 14);
	for (let at = 1; at <= changes; at++) {
		for (const undo of [false, true]) {
			const { engine, deps, saved } = world();
			let count = 0;
			let dead = false;
			engine.before = () => {
				dead ||= ++count === at;
				if (dead) throw new Killed();
			};
			const { stateFile } = deps;
			const mortal: UpgradeDeps = { ...deps, stateFile: { ...stateFile, write: async (state) => (dead ? Promise.reject(new Killed()) : stateFile.write(state)) } };
			await t.throwsAsync(runUpgrade(mortal, await planUpgrade(deps, 'birthmark', NEW)));
			t.is(engine.gaps, 0, `killed at ${at}`);
			engine.before = () => undefined;
			const state = saved()!;
			const { outcome } = await runUpgrade(deps, undo ? undone(state, '') : state);
			t.is(outcome, undo ? 'undone' : 'done');
			t.deepEqual(isWhole(engine), whole(undo ? OLD : NEW), `killed at ${at}, ${undo ? 'undone' : 'resumed'}`);
			t.is(saved(), undefined);
		}
	}
});

test('a version that does not start is not left: the old one is in force again, and the sentence says why', async (t) => {
	const { engine, deps } = world();
	// The stand-in is of the new version as well: it starts, and the second time it does not.
	let enables = 0;
	engine.before = (call) => {
		if (call === 'enable' && ++enables === 2) throw new Error('it does not start');
	};
	const error = await t.throwsAsync(runUpgrade(deps, await planUpgrade(deps, 'birthmark', NEW)));
	t.regex(error.message, /registry\/birthmark:2 could not take the place of birthmark: it does not start; the version that was there is in force again/);
	t.deepEqual(isWhole(engine), whole(OLD));
});

test('a stand-in that does not start changes nothing', async (t) => {
	const { engine, deps } = world();
	engine.broken.add(NEW);
	await t.throwsAsync(runUpgrade(deps, await planUpgrade(deps, 'birthmark', NEW)), { message: /does not start.*in force again/ });
	t.deepEqual(isWhole(engine), whole(OLD));
});

test('when the old version cannot be had any more the stand-in stays, and it can be resumed', async (t) => {
	const { engine, deps, saved } = world();
	let enables = 0;
	engine.before = (call) => {
		if (call === 'enable' && ++enables === 2) throw new Error('it does not start');
	};
	engine.registry.delete(OLD);
	await t.throwsAsync(runUpgrade(deps, await planUpgrade(deps, 'birthmark', NEW)), { message: /stopped at "replace it".*--resume/ });
	t.deepEqual(engine.chain, ['birthmark-guard', 'other']);
	t.is(engine.gaps, 0);
	engine.registry.add(OLD);
	await t.throwsAsync(runUpgrade(deps, saved()!), { message: /the version that was there is in force again/ });
	t.deepEqual(isWhole(engine), whole(OLD));
});

test('it does not begin where it could not end', async (t) => {
	const refused = async (change: (engine: FakeUpgradeEngine, deps: ReturnType<typeof world>) => unknown, message: RegExp, plugin = 'birthmark') => {
		const it = world();
		await change(it.engine, it);
		await t.throwsAsync(planUpgrade(it.deps, plugin, NEW), { message, code: 'upgrade-failed' } as never);
		t.is(it.saved()?.to, it.saved() && NEW);
	};
	await refused(() => undefined, /no plugin other is installed/, 'other');
	await refused((engine) => engine.disable('birthmark'), /is disabled/);
	await refused((engine) => engine.writeChain(['other']), /does not have birthmark/);
	await refused((engine) => engine.pull(NEW, 'birthmark-guard'), /already/);
	await refused(async (_, { deps }) => deps.stateFile.write(await planUpgrade(deps, 'birthmark', NEW)), /--resume.*--undo/);
});

test('an engine is never reloaded with a disabled plugin in its chain', async (t) => {
	const { engine, deps } = world();
	const planned = await planUpgrade(deps, 'birthmark', NEW);
	await runUpgrade(deps, planned);
	await engine.disable('birthmark');
	await t.throwsAsync(runUpgrade(deps, { ...planned, step: STEPS.length - 2 }), { message: /would exit when it reloads/ });
	t.false(engine.exited);
});

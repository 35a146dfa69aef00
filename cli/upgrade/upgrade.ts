/** Runs the steps of an upgrade, remembers how far it is, and goes back when the new version fails. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { guardName, PERMIT_FILE, shortPluginName } from '#common/protocol/plugin-upgrade.ts';
import type { InstalledPlugin, UpgradeEngine } from './engine-api.ts';
import { FIRST_STEP_OF_REPLACEMENT, STEPS, type StepDeps } from './steps.ts';
import type { Permit, StateFile, UpgradeState } from './state.ts';

/** The step after which the plugin is in the chain alone again. */
const BACK = STEPS.findIndex(({ title }) => title === 'take the stand-in out of the authorization chain');

export interface UpgradeDeps extends StepDeps {
	readonly engine: UpgradeEngine;
	readonly stateFile: StateFile;
	/** the authorization chain in daemon.json */
	readonly readChain: () => readonly string[];
	/** makes the permit that the plugins look for */
	readonly writePermit: (path: string) => Promise<Permit>;
	/** called before each step; `number` counts from 1 */
	readonly onStep: (number: number, title: string) => void;
}

export interface Upgraded {
	readonly plugin: string;
	readonly from: string;
	readonly to: string;
	/** `done`, or `undone`: the version that was there is there again */
	readonly outcome: 'done' | 'undone';
}

/** Looks whether an upgrade can begin, and changes nothing. @throws BirthmarkError when it cannot */
export async function planUpgrade({ engine, stateFile, readChain, grant }: UpgradeDeps, plugin: string, to: string): Promise<UpgradeState> {
	if (stateFile.read()) throw new BirthmarkError('upgrade-failed', 'an upgrade is under way or was interrupted; finish it with --resume, or go back with --undo');
	const there = await engine.plugin(plugin);
	if (!there) throw new BirthmarkError('upgrade-failed', `no plugin ${plugin} is installed; give its name with --plugin`);
	if (!there.Enabled) throw new BirthmarkError('upgrade-failed', `${there.Name} is disabled, so nothing is enforced that an upgrade could keep; use docker plugin upgrade, then enable it`);
	const chain = readChain();
	if (!chain.some((name) => shortPluginName(name) === shortPluginName(there.Name))) {
		throw new BirthmarkError('upgrade-failed', `daemon.json does not have ${plugin} in its authorization chain (it has ${chain.join(', ')}); give the right file with --daemon-json`);
	}
	if (await engine.plugin(guardName(there.Name))) throw new BirthmarkError('upgrade-failed', `there is a plugin ${guardName(there.Name)} already; when it is in no chain, remove it with docker plugin rm --force`);
	await grant(to);
	const run = runSource(there);
	return {
		version: 1, plugin: shortPluginName(there.Name), pluginId: there.Id, guard: guardName(there.Name), from: there.PluginReference ?? '', to,
		step: 0, chain: [...chain], settings: (there.Settings.Env ?? []).filter((setting) => !setting.startsWith('JOIN_TOKEN=')), run,
	};
}

/** @throws BirthmarkError `upgrade-failed`: the sentence says what is in force then */
export async function runUpgrade(deps: UpgradeDeps, planned: UpgradeState): Promise<Upgraded> {
	const { stateFile, onStep } = deps;
	let state = planned;
	const save = (changes: Partial<UpgradeState>): Promise<void> => stateFile.write((state = { ...state, ...changes }));
	await save({});
	const permit = await deps.writePermit(`${state.run}/${PERMIT_FILE}`);
	try {
		while (state.step < STEPS.length) {
			const { title, run } = STEPS[state.step]!;
			onStep(state.step + 1, title);
			try {
				await run(deps, state);
			} catch (error) {
				const why = error instanceof Error ? error.message : String(error);
				if (state.undoing !== undefined || state.step >= BACK) throw stopped(title, why, error);
				await save(undone(state, why));
				continue;
			}
			await save({ step: state.step + 1 });
		}
	} finally {
		permit.remove();
	}
	stateFile.remove();
	const { plugin, from, to, undoing } = state;
	if (undoing !== undefined && undoing !== '') throw new BirthmarkError('upgrade-failed', `${to} could not take the place of ${plugin}: ${undoing}; the version that was there is in force again`);
	return { plugin, from, to, outcome: undoing === undefined ? 'done' : 'undone' };
}

/** The state from which {@link runUpgrade} goes back. @param why empty when somebody asked for it */
export function undone(state: UpgradeState, why: string): UpgradeState {
	// Until the replacement begins there is only a stand-in to remove; after it the stand-in may have gone.
	const step = state.step < FIRST_STEP_OF_REPLACEMENT ? BACK : state.step >= BACK ? 0 : FIRST_STEP_OF_REPLACEMENT;
	return { ...state, undoing: why, step };
}

function stopped(title: string, why: string, cause: unknown): BirthmarkError {
	const sentence = `it stopped at "${title}": ${why}. Whoever is in the chain judges on, and labelled containers may be refused; when that is mended: birthmark plugin upgrade --resume`;
	return new BirthmarkError('upgrade-failed', sentence, { cause });
}

function runSource({ Name, Settings }: InstalledPlugin): string {
	const run = Settings.Mounts?.find((mount) => mount.Name === 'run')?.Source;
	if (run === undefined) throw new BirthmarkError('upgrade-failed', `${Name} has no mount "run"; is it the birthmark plugin?`);
	return run;
}

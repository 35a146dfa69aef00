/**
 * Replacing the plugin without a gap (docs/adr/0026): a stand-in joins the authorization chain, and
 * only then the plugin leaves it. At every moment daemon.json names plugins that are enabled, so that
 * the engine can be reloaded, or the host restarted, between any two steps; and every step can be
 * done again.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { SENTINEL_VOLUME, type PluginStatus } from '#common/protocol/plugin-status.ts';
import { guardSentinel, shortPluginName, type GuardStatus } from '#common/protocol/plugin-upgrade.ts';
import type { UpgradeEngine } from './engine-api.ts';
import type { UpgradeState } from './state.ts';

/** What the stand-in must not have: it is no member of the CA. */
const NOT_FOR_GUARD = ['CA_URL', 'JOIN_TOKEN', 'NODE_NAME', 'GUARD_OF'];
const PROOF_SECONDS = 60;

export interface StepDeps {
	readonly engine: UpgradeEngine;
	/** writes the chain into daemon.json */
	readonly writeChain: (chain: readonly string[]) => Promise<void>;
	/** makes the engine take it up */
	readonly reload: () => void;
	/** accepts what a version wants to be able to do @throws BirthmarkError when that is more than now */
	readonly grant: (reference: string) => Promise<Awaited<ReturnType<UpgradeEngine['privileges']>>>;
	readonly pollMs?: number;
}

export interface Step {
	readonly title: string;
	run(deps: StepDeps, state: UpgradeState): Promise<void>;
}

export const STEPS: readonly Step[] = [
	{
		title: 'install the stand-in',
		async run({ engine, grant }, { guard, to, pluginId, settings, run }) {
			const there = await engine.plugin(guard);
			if (!there) await engine.pull(to, guard, await grant(to));
			if (there?.Enabled) return;
			const known = new Set((await engine.plugin(guard))?.Config.Env?.map(({ Name }) => Name));
			const copied = settings.filter((setting) => known.has(nameOf(setting)) && !NOT_FOR_GUARD.includes(nameOf(setting)));
			await engine.set(guard, [...copied, `GUARD_OF=${pluginId}`, `run.source=${run}`]);
			await engine.enable(guard);
		},
	},
	{
		title: 'put the stand-in into the authorization chain',
		async run(deps, state) {
			await setChain(deps, [state.guard, ...state.chain]);
			await proof<GuardStatus>(deps, guardSentinel(state.plugin), state.guard, (now) => now.inChain === true && now.guardOf === state.pluginId && now.records === 'ok');
		},
	},
	{
		title: 'take the plugin out of daemon.json',
		// Not out of the running engine: disabling does that. An engine that starts anew finds the stand-in.
		run: ({ writeChain }, state) => writeChain([state.guard, ...withoutPlugin(state)]),
	},
	{
		title: 'disable the plugin',
		async run({ engine }, { plugin }) {
			if ((await installed(engine, plugin)).Enabled) await engine.disable(plugin);
		},
	},
	{
		title: 'replace it',
		async run({ engine, grant }, { plugin, from, to, undoing }) {
			const target = undoing === undefined ? to : from;
			const { PluginReference: reference } = await installed(engine, plugin);
			if (undoing !== undefined && (reference ?? '') === from) return;
			await engine.upgrade(plugin, target, await grant(target));
		},
	},
	{
		title: 'give it its settings',
		async run({ engine }, { plugin, settings, run }) {
			const now = await installed(engine, plugin);
			const known = new Set(now.Config.Env?.map(({ Name }) => Name));
			const lost = settings.filter((setting) => known.has(nameOf(setting)) && !now.Settings.Env?.includes(setting));
			// The engine keeps what was set, shows it, and mounts what the new manifest says: it has to be set again.
			const sources = [now.Settings, now.Config].map(({ Mounts }) => Mounts?.find(({ Name }) => Name === 'run')?.Source);
			if (sources.some((source) => source !== run)) lost.push(`run.source=${run}`);
			if (lost.length > 0) await engine.set(plugin, lost);
		},
	},
	{
		title: 'enable it',
		async run({ engine }, { plugin }) {
			if (!(await installed(engine, plugin)).Enabled) await engine.enable(plugin);
		},
	},
	{
		title: 'put it back into the authorization chain',
		async run(deps, state) {
			await setChain(deps, [state.guard, ...state.chain]);
			await proof<PluginStatus>(deps, SENTINEL_VOLUME, state.plugin, (now) => now.inChain === true);
		},
	},
	{
		title: 'take the stand-in out of the authorization chain',
		async run(deps, state) {
			await setChain(deps, state.chain);
			if (!(await deps.engine.plugin(state.guard))?.Enabled) return;
			await proof<GuardStatus>(deps, guardSentinel(state.plugin), state.guard, (now) => now.inChain === false, 'or none');
			// The reload left the plugin where it was, and that is proved, too.
			await proof<PluginStatus>(deps, SENTINEL_VOLUME, state.plugin, (now) => now.inChain === true);
		},
	},
	{
		title: 'remove the stand-in',
		async run({ engine }, { plugin, guard }) {
			const there = await engine.plugin(guard);
			if (!there) return;
			if (there.Enabled) {
				await engine.removeVolume(guardSentinel(plugin));
				await engine.disable(guard);
			}
			await engine.remove(guard);
		},
	},
];

/** From here on going back means more than removing the stand-in. */
export const FIRST_STEP_OF_REPLACEMENT = STEPS.findIndex(({ title }) => title === 'take the plugin out of daemon.json');

async function installed(engine: UpgradeEngine, name: string): Promise<Awaited<ReturnType<UpgradeEngine['plugins']>>[number]> {
	const plugin = await engine.plugin(name);
	if (!plugin) throw new BirthmarkError('upgrade-failed', `the plugin ${name} is not installed any more; install it, and put it into the chain beside the stand-in`);
	return plugin;
}

/** @throws BirthmarkError `upgrade-failed` rather than reload an engine that would exit */
async function setChain({ engine, writeChain, reload }: StepDeps, chain: readonly string[]): Promise<void> {
	const disabled = (await engine.plugins()).find(({ Name, Enabled }) => !Enabled && chain.some((name) => shortPluginName(name) === shortPluginName(Name)));
	if (disabled) throw new BirthmarkError('upgrade-failed', `${disabled.Name} is disabled, and an engine that has it in its chain would exit when it reloads; enable it`);
	await writeChain(chain);
	reload();
}

async function proof<T>({ engine, pollMs = 100 }: StepDeps, volume: string, name: string, isGood: (status: T) => boolean, orNone?: 'or none'): Promise<void> {
	const end = Date.now() + PROOF_SECONDS * 1000;
	for (;;) {
		const status = await engine.volumeStatus<T>(volume);
		if (status === undefined ? orNone : isGood(status)) return;
		if (Date.now() > end) throw new BirthmarkError('upgrade-failed', `${name} has not seen the change of the chain within ${PROOF_SECONDS} s; it says ${JSON.stringify(status ?? 'nothing')}, the engine\'s log says more`);
		await sleep(pollMs);
	}
}

function withoutPlugin({ chain, plugin }: UpgradeState): string[] {
	return chain.filter((name) => shortPluginName(name) !== shortPluginName(plugin));
}

function nameOf(setting: string): string {
	return setting.slice(0, setting.indexOf('='));
}

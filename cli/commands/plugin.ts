/** `birthmark plugin upgrade`: another version of the plugin, without a moment at which nobody judges. */

import type { Command } from 'commander';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Context } from '../context.ts';
import { engineSocket } from '../engine/engine-socket.ts';
import { whileLocked } from '../engine/setup-lock.ts';
import { readDaemonJson, reloadEngine, writeChain } from '../upgrade/daemon-json.ts';
import { createUpgradeEngine } from '../upgrade/engine-api.ts';
import { beyond, registryAuth } from '../upgrade/grants.ts';
import { createStateFile, writePermit } from '../upgrade/state.ts';
import { STEPS } from '../upgrade/steps.ts';
import { planUpgrade, runUpgrade, undone, type UpgradeDeps } from '../upgrade/upgrade.ts';

interface Options {
	readonly plugin: string;
	readonly daemonJson: string;
	readonly pidFile?: string;
	readonly state: string;
	readonly grantAllPermissions?: boolean;
	readonly resume?: boolean;
	readonly undo?: boolean;
	readonly dryRun?: boolean;
}

export function addPlugin(program: Command, context: Context): void {
	const plugin = program.command('plugin').description('the plugin of this host');

	plugin
		.command('upgrade')
		.description('replace the plugin of this host by another version: containers run on, and every call is judged meanwhile; as root')
		.argument('[reference]', 'the new version in a registry, e.g. registry.example/birthmark:2')
		.option('--plugin <name>', 'name under which the plugin is installed', 'birthmark')
		.option('--daemon-json <path>', 'configuration of the engine', '/etc/docker/daemon.json')
		.option('--pid-file <path>', 'of the engine (default: what daemon.json says, else /var/run/docker.pid)')
		.option('--state <path>', 'where to remember how far it is', '/var/lib/birthmark/upgrade.json')
		.option('--grant-all-permissions', 'let the new version do more on this host than the old one')
		.option('--resume', 'go on with an upgrade that was interrupted')
		.option('--undo', 'go back to the version that was there, in the middle of an upgrade')
		.option('--dry-run', 'only look whether it can begin')
		.option('--json', 'print JSON')
		.action((reference: string | undefined, options: Options) => upgrade(context, reference, options));
}

async function upgrade(context: Context, reference: string | undefined, options: Options): Promise<void> {
	const { daemonJson, resume, undo, dryRun } = options;
	if (resume && undo) throw new BirthmarkError('usage', 'choose one of --resume and --undo');
	if ((resume ?? undo ?? false) === (reference !== undefined)) {
		throw new BirthmarkError('usage', reference === undefined ? 'name the new version, e.g. registry.example/birthmark:2' : 'the upgrade that was begun has its version; leave the reference out');
	}
	if (process.getuid?.() !== 0) throw new BirthmarkError('forbidden', 'only root on the engine\'s host can replace the plugin; run it with sudo');
	const work = (): Promise<void> => upgradeAlone(context, reference, options);
	return dryRun ? work() : whileLocked(daemonJson, work);
}

async function upgradeAlone(context: Context, reference: string | undefined, { plugin, daemonJson, pidFile, state: statePath, grantAllPermissions, resume, undo, dryRun }: Options): Promise<void> {
	let secret = '';
	const engine = createUpgradeEngine({ socketPath: engineSocket(), permit: () => secret, registryAuth });
	const deps: UpgradeDeps = {
		engine,
		stateFile: createStateFile(statePath),
		readChain: () => readDaemonJson(daemonJson).chain,
		writeChain: (chain) => writeChain(daemonJson, chain),
		reload: () => reloadEngine(daemonJson, pidFile),
		async grant(wanted) {
			const privileges = await engine.privileges(wanted);
			const there = await engine.plugin(plugin);
			const more = there ? beyond(there, privileges) : [];
			if (more.length > 0 && !grantAllPermissions) {
				throw new BirthmarkError('upgrade-failed', `${wanted} wants more than the version that is there (${more.join('; ')}); grant it with --grant-all-permissions`);
			}
			return privileges;
		},
		async writePermit(path) {
			const permit = await writePermit(path);
			secret = permit.secret;
			return permit;
		},
		onStep: (number, title) => {
			if (!context.wantsJson()) context.output.line(`${String(number).padStart(2)}/${STEPS.length}  ${title}`);
		},
	};

	const begun = resume || undo ? deps.stateFile.read() : undefined;
	if ((resume || undo) && !begun) throw new BirthmarkError('upgrade-failed', `no upgrade is under way (${statePath})`);
	const planned = begun ?? (await planUpgrade(deps, plugin, reference!));
	if (dryRun) {
		const rest = STEPS.slice(planned.step).map(({ title }) => title);
		if (context.wantsJson()) return context.output.json({ plugin: planned.plugin, from: planned.from, to: planned.to, steps: rest });
		context.output.line(`${planned.plugin}: ${planned.from || 'a version from no registry'} → ${planned.to}; nothing was changed. The steps:`);
		for (const title of rest) context.output.line(`    ${title}`);
		return;
	}
	const upgraded = await runUpgrade(deps, undo ? undone(planned, '') : planned);
	if (context.wantsJson()) return context.output.json(upgraded);
	context.output.line(upgraded.outcome === 'done' ? `${upgraded.plugin} is ${upgraded.to} now` : `${upgraded.plugin} is what it was`);
}

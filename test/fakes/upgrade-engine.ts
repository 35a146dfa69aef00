/** An engine as far as its plugins and its authorization chain go: what dockerd does with them (moby, plugin/manager, pkg/authorization). */

import { guardSentinel } from '#common/protocol/plugin-upgrade.ts';
import type { InstalledPlugin, UpgradeEngine } from '../../cli/upgrade/engine-api.ts';

interface FakePlugin {
	id: string;
	name: string;
	reference: string;
	enabled: boolean;
	env: string[];
	/** what is shown, and what is mounted */
	run: { shown: string; mounted: string };
}

export const RUN = '/run/engine';

export class FakeUpgradeEngine implements UpgradeEngine {
	readonly all = new Map<string, FakePlugin>();
	/** daemon.json */
	file: readonly string[] = ['other', 'birthmark'];
	/** of the running engine */
	chain: readonly string[] = ['other', 'birthmark'];
	/** moments at which nobody of ours was asked */
	gaps = 0;
	/** it reloaded with a disabled plugin in its chain */
	exited = false;
	/** references that do not start */
	readonly broken = new Set<string>();
	/** references that the registry has */
	readonly registry = new Set(['registry/birthmark:1', 'registry/birthmark:2']);
	/** called before each change; may throw */
	before: (call: string) => void = () => undefined;
	#ids = 0;

	constructor() {
		this.#add('birthmark', 'registry/birthmark:1').enabled = true;
		this.all.get('birthmark')!.env = ['CA_URL=https://ca', 'LOG_LEVEL=debug'];
		this.all.get('birthmark')!.run = { shown: RUN, mounted: RUN };
	}

	plugins = async (): Promise<readonly InstalledPlugin[]> => [...this.all.values()].map((plugin) => ({
		Id: plugin.id, Name: `${plugin.name}:latest`, Enabled: plugin.enabled, PluginReference: plugin.reference,
		Settings: { Env: plugin.env, Mounts: [{ Name: 'run', Source: plugin.run.shown }] },
		Config: { Mounts: [{ Name: 'run', Source: plugin.run.mounted }], Env: ['CA_URL', 'JOIN_TOKEN', 'NODE_NAME', 'LOG_LEVEL', 'GUARD_OF'].map((Name) => ({ Name })) },
	}));
	plugin = async (name: string): Promise<InstalledPlugin | undefined> => (await this.plugins()).find(({ Name }) => Name === `${name}:latest` || Name === name);
	privileges = async () => [];
	pull = async (reference: string, name: string): Promise<void> => {
		this.#change('pull');
		this.#get(reference);
		this.#add(name, reference);
	};
	upgrade = async (name: string, reference: string): Promise<void> => {
		this.#change('upgrade');
		const plugin = this.#of(name);
		if (plugin.enabled) throw new Error('it is enabled');
		this.#get(reference);
		plugin.reference = reference;
		plugin.run = { ...plugin.run, mounted: '/run' };
	};
	set = async (name: string, settings: readonly string[]): Promise<void> => {
		this.#change('set');
		const plugin = this.#of(name);
		if (plugin.enabled) throw new Error('it is enabled');
		for (const setting of settings) {
			const [key = '', value = ''] = setting.split(/=(.*)/s);
			if (key === 'run.source') plugin.run = { shown: value, mounted: value };
			else plugin.env = [...plugin.env.filter((other) => !other.startsWith(`${key}=`)), setting];
		}
	};
	enable = async (name: string): Promise<void> => {
		this.#change('enable');
		const plugin = this.#of(name);
		if (plugin.enabled) throw new Error('it is enabled already');
		if (this.broken.has(plugin.reference)) throw new Error('it does not start');
		plugin.enabled = true;
	};
	disable = async (name: string): Promise<void> => {
		this.#change('disable');
		const plugin = this.#of(name);
		if (!plugin.enabled) throw new Error('it is disabled already');
		plugin.enabled = false;
		this.chain = this.chain.filter((other) => other !== name);
		this.#look();
	};
	remove = async (name: string): Promise<void> => {
		this.#change('remove');
		if (this.chain.includes(name)) throw new Error('it is in the chain');
		this.all.delete(name);
	};
	removeVolume = async (): Promise<void> => this.#change('removeVolume');
	volumeStatus = async <T>(volume: string): Promise<T | undefined> => {
		const name = volume === guardSentinel('birthmark') ? 'birthmark-guard' : 'birthmark';
		const plugin = this.all.get(name);
		if (!plugin?.enabled) return undefined;
		const mine = plugin.run.mounted === RUN;
		return { inChain: mine ? this.chain.includes(name) : null, records: 'ok', guardOf: plugin.env.find((setting) => setting.startsWith('GUARD_OF='))?.slice(9) } as T;
	};
	writeChain = async (chain: readonly string[]): Promise<void> => {
		this.#change('writeChain');
		this.file = chain;
	};
	/** SIGHUP; also what a start of the engine does. */
	reload = (): void => {
		this.#change('reload');
		this.chain = this.file;
		if (this.chain.some((name) => name !== 'other' && !this.all.get(name)?.enabled)) this.exited = true;
		this.#look();
	};

	#look(): void {
		if (!this.chain.some((name) => name !== 'other' && this.all.get(name)?.enabled)) this.gaps++;
	}

	#change(call: string): void {
		this.before(call);
	}

	#get(reference: string): void {
		if (!this.registry.has(reference)) throw new Error(`there is no ${reference}`);
	}

	#of(name: string): FakePlugin {
		const plugin = this.all.get(name);
		if (!plugin) throw new Error(`there is no plugin ${name}`);
		return plugin;
	}

	#add(name: string, reference: string): FakePlugin {
		const plugin = { id: String(++this.#ids).repeat(64), name, reference, enabled: false, env: [], run: { shown: '/run', mounted: '/run' } };
		this.all.set(name, plugin);
		return plugin;
	}
}

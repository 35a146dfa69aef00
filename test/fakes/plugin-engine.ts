/** The engine's API as the plugin asks it, with containers and images that a test puts there. */

import type { EngineRuntimes } from '../../plugin/authz/engine-runtimes.ts';
import type { EngineContainer, EngineContainerDetails, EngineImage, EngineInfo, EnginePlugin, EngineTask, EngineVolume } from '../../plugin/docker.ts';

export class FakeEngine {
	readonly list: EngineContainer[] = [];
	readonly images = new Map<string, EngineImage>();
	readonly installed: EnginePlugin[] = [];
	readonly services: { readonly ID: string; readonly name: string }[] = [];
	readonly tasks = new Map<string, EngineTask>();
	readonly removedVolumes: string[] = [];
	readonly removedContainers: string[] = [];
	/** id of an exec → id of its container */
	readonly execs = new Map<string, string>();
	/** by name of a volume */
	readonly volumes = new Map<string, EngineVolume>();
	/** by reference */
	readonly details = new Map<string, Partial<EngineContainerDetails>>();
	/** as the engine tells them */
	runtimes: Pick<EngineInfo, 'Runtimes' | 'DefaultRuntime'> = {};
	/** its id in the swarm; empty outside one */
	node = '';
	/** lists of containers that were asked for */
	questions = 0;

	async info(): Promise<EngineInfo> {
		return { Name: 'host1', DockerRootDir: '/var/lib/docker', Swarm: { NodeID: this.node }, ...this.runtimes };
	}

	async plugins(): Promise<EnginePlugin[]> {
		return this.installed;
	}

	async image(reference: string): Promise<EngineImage | undefined> {
		return this.images.get(reference);
	}

	/** Filters as the engine's: beginnings of ids, patterns for the first name, labels. */
	async containers({ id, label, name }: Readonly<Record<string, readonly string[]>>): Promise<EngineContainer[]> {
		this.questions++;
		return this.list.filter(({ Id, Names, Labels }) => {
			const own = Names?.[0] ?? '';
			if (id && !id.some((start) => Id.startsWith(start))) return false;
			if (name && !name.some((pattern) => [own, own.slice(1)].some((text) => new RegExp(pattern).test(text)))) return false;
			return !label || label.every((key) => Object.hasOwn(Labels ?? {}, key));
		});
	}

	async containerOfExec(execId: string): Promise<string | undefined> {
		return this.execs.get(execId);
	}

	/** What the list says of it, with what a test says in addition. */
	async inspect(reference: string): Promise<EngineContainerDetails | undefined> {
		const listed = this.list.find(({ Id }) => Id === reference);
		const more = this.details.get(reference);
		if (!listed) return more as EngineContainerDetails | undefined;
		const { Id, Names, ImageID, Labels, Mounts } = listed;
		const Config = { OpenStdin: false, Labels, ...more?.Config };
		return { Id, Name: Names?.[0] ?? '', Image: ImageID, HostConfig: {}, Mounts: (Mounts ?? []).map((mount) => ({ Type: 'volume', ...mount })), ...more, Config };
	}

	async imageById(id: string): Promise<EngineImage | undefined> {
		return this.image(id);
	}

	async removeContainer(id: string): Promise<void> {
		this.removedContainers.push(id);
	}

	async volume(name: string): Promise<EngineVolume | undefined> {
		return this.volumes.get(name);
	}

	async serviceId(reference: string): Promise<string | undefined> {
		return this.services.find(({ ID, name }) => ID === reference || name === reference)?.ID;
	}

	async serviceName(id: string): Promise<string | undefined> {
		return this.services.find(({ ID }) => ID === id)?.name;
	}

	async serviceIds(): Promise<string[] | undefined> {
		return this.services.map(({ ID }) => ID);
	}

	async task(id: string): Promise<EngineTask | undefined> {
		return this.tasks.get(id);
	}

	async containersOf(volume: string): Promise<EngineContainer[]> {
		return this.list.filter(({ Mounts }) => Mounts?.some(({ Name }) => Name === volume));
	}

	async removeVolume(name: string): Promise<boolean> {
		this.removedVolumes.push(name);
		return true;
	}
}

/** As long as nothing changes. */
export const runtimesOf = (engine: FakeEngine): EngineRuntimes => ({ known: () => engine.info(), ask: () => engine.info() });

/** A container in the engine's list; running, labelled, with an identity volume. */
export function engineContainer(fields: Partial<EngineContainer> & { readonly Id: string }): EngineContainer {
	return {
		Names: ['/victim'],
		State: 'running',
		Image: 'app:1',
		ImageID: 'sha256:' + '1'.repeat(64),
		Labels: { 'birthmark.cn': 'victim', 'birthmark.ou': 'web' },
		Mounts: [{ Type: 'volume', Name: 'a'.repeat(64), Driver: 'birthmark:latest', Destination: '/run/birthmark' }],
		...fields,
	};
}

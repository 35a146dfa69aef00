/** The engine's API as the plugin asks it, with containers and images that a test puts there. */

import type { EngineContainer, EngineImage, EngineInfo, EnginePlugin, EngineTask } from '../../plugin/docker.ts';

export class FakeEngine {
	readonly list: EngineContainer[] = [];
	readonly images = new Map<string, EngineImage>();
	readonly installed: EnginePlugin[] = [];
	readonly services: { readonly ID: string; readonly name: string }[] = [];
	readonly tasks = new Map<string, EngineTask>();
	readonly removedVolumes: string[] = [];

	async info(): Promise<EngineInfo> {
		return { Name: 'host1', DockerRootDir: '/var/lib/docker' };
	}

	async plugins(): Promise<EnginePlugin[]> {
		return this.installed;
	}

	async image(reference: string): Promise<EngineImage | undefined> {
		return this.images.get(reference);
	}

	async containers({ id, label }: Readonly<Record<string, readonly string[]>>): Promise<EngineContainer[]> {
		return this.list.filter((container) => (!id || id.includes(container.Id)) && (!label || label.every((name) => Object.hasOwn(container.Labels ?? {}, name))));
	}

	async serviceId(reference: string): Promise<string | undefined> {
		return this.services.find(({ ID, name }) => ID === reference || name === reference)?.ID;
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

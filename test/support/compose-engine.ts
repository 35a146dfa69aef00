/**
 * The services of a Compose file as containers of the tests' engine, as `docker compose up` makes them:
 * one network where each is known by its name, volumes of the project, files of the project's folder.
 * Other than there a published port is one that was free, and only on the loopback interface.
 */

import { resolve } from 'node:path';
import type { ExecutionContext } from 'ava';
import type Docker from 'dockerode';
import { freePort } from '../../scripts/ports.ts';
import type { ComposeService } from './compose.ts';
import type { World } from './world.ts';

export interface Project {
	/** the id of the network */
	readonly network: string;
	/** a container of a service, the first when no number says otherwise */
	container(service: string, number?: number): Docker.Container;
	/** the published port of a service, on the loopback interface */
	port(service: string): number;
	/** a named volume, as the host sees it */
	volume(name: string): string;
	/**
	 * Makes the containers that are not there and starts them, all at once: no service says that it waits for another.
	 *
	 * @param scale how many of a service, where it is not one
	 */
	up(scale?: Readonly<Record<string, number>>): Promise<void>;
	/**
	 * Makes one anew while the old one runs, as `docker compose up` does when its description has changed
	 * (docker/compose, pkg/compose/convergence.go): under another name, that of the old one when that is gone.
	 *
	 * @param change what is different, e.g. an environment
	 */
	recreate(service: string, number: number, change: Docker.ContainerCreateOptions): Promise<void>;
	/** Removes the containers; volumes stay. */
	down(): Promise<void>;
}

/** @param folder what `./` means; everything is removed after the test */
export async function composeProject(t: ExecutionContext, world: World, services: Readonly<Record<string, ComposeService>>, folder: string): Promise<Project> {
	const { docker } = world;
	const project = world.name('compose');
	const sources = Object.values(services).flatMap((service) => service.volumes.map((volume) => volume.split(':')[0]!));
	for (const name of new Set(sources.filter((source) => !source.startsWith('.')))) {
		await docker.createVolume({ Name: `${project}_${name}` });
		t.teardown(() => docker.getVolume(`${project}_${name}`).remove({ force: true }));
	}
	const network = await world.network(t);
	const ports = new Map<string, number>();
	for (const [name, service] of Object.entries(services)) if (service.ports.length > 0) ports.set(name, await freePort());
	const containers = new Map<string, Docker.Container>();

	const start = async (name: string, number: number, service: ComposeService): Promise<void> => {
		const containerName = `${project}-${name}-${number}`;
		const container = containers.get(containerName) ?? await world.plain(t, { ...describe(name, number, service), name: containerName });
		containers.set(containerName, container);
		await container.start().catch(ignoreStarted);
	};
	const describe = (name: string, number: number, service: ComposeService): Docker.ContainerCreateOptions => ({
		Image: service.image,
		...(service.command && { Cmd: [...service.command] }),
		...(service.user !== undefined && { User: service.user }),
		Labels: { ...service.labels, 'com.docker.compose.project': project, 'com.docker.compose.service': name, 'com.docker.compose.container-number': String(number), 'com.docker.compose.oneoff': 'False' },
		Env: Object.entries(service.environment).map(([variable, value]) => `${variable}=${value}`),
		NetworkingConfig: { EndpointsConfig: { [network.id]: { Aliases: [name] } } },
		HostConfig: {
			NetworkMode: network.id,
			...(service.runtime !== undefined && { Runtime: service.runtime }),
			// As Compose does: a file that is missing is an error, not an empty folder.
			Mounts: service.volumes.map((volume) => mount(volume)),
			RestartPolicy: { Name: service.restart },
			ReadonlyRootfs: service.readOnly,
			CapDrop: [...service.capDrop],
			SecurityOpt: [...service.securityOptions],
			PortBindings: Object.fromEntries(service.ports.map((published) => [`${published.split(':')[1]!}/tcp`, [{ HostIp: '127.0.0.1', HostPort: String(ports.get(name)!) }]])),
		},
	});
	const mount = (volume: string): Docker.MountSettings => {
		const [source, Target, mode] = volume.split(':') as [string, string, string | undefined];
		const from = source.startsWith('.') ? { Type: 'bind' as const, Source: resolve(folder, source) } : { Type: 'volume' as const, Source: `${project}_${source}` };
		return { ...from, Target, ReadOnly: mode === 'ro' };
	};
	return {
		network: network.id,
		container: (service, number = 1) => containers.get(`${project}-${service}-${number}`)!,
		port: (service) => ports.get(service)!,
		volume: (name) => `${world.paths.data}/volumes/${project}_${name}/_data`,
		async up(scale = {}) {
			const wanted = Object.entries(services).flatMap(([name, service]) => Array.from({ length: scale[name] ?? 1 }, (_, index) => start(name, index + 1, service)));
			await Promise.all(wanted);
		},
		async recreate(name, number, change) {
			const containerName = `${project}-${name}-${number}`;
			const old = containers.get(containerName)!;
			const container = await world.plain(t, { ...describe(name, number, services[name]!), ...change, name: `${old.id.slice(0, 12)}_${containerName}` });
			containers.set(containerName, container);
			await old.stop({ t: 1 });
			await old.remove();
			await container.rename({ name: containerName });
			await container.start();
		},
		async down() {
			await Promise.all([...containers.values()].map((container) => container.remove({ force: true, v: true })));
			containers.clear();
		},
	};
}

function ignoreStarted(error: { statusCode?: number }): void {
	if (error.statusCode !== 304) throw error;
}

/**
 * The engine's API as the plugin uses it, over the engine's unix socket. Every call has a short
 * deadline: the plugin answers questions of the engine while it asks some itself.
 *
 * Calls carry a secret header, by which the plugin's own authorization knows them
 * (`authz/own-calls.ts`). Only calls that take no container lock are made here; see
 * docs/architecture.md.
 */

import { request as httpRequest } from 'node:http';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { followReloads, type ReloadWatch } from './engine-reloads.ts';
import { exchange, type Answer } from './request.ts';

const DEADLINE_MS = 3_000;
/** An engine that makes hundreds of containers at once answers late, and each of them has such a question. */
const BUSY_DEADLINE_MS = 20_000;
/** Removing a container's volume waits for the engine's own locks. */
const REMOVE_DEADLINE_MS = 20_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** What the engine answers where it is no manager of a swarm. */
const NO_MANAGER = 503;
/** Lays out a file system. */
const CREATE_DEADLINE_MS = 20_000;
/** Some kilobytes each. */
const SEEN_IMAGES = 100;
/** Headers and padding of an archive of one file. */
const ARCHIVE_BYTES = 16 * 1024;

export interface EngineInfo {
	readonly Name: string;
	readonly DockerRootDir: string;
	/** e.g. `name=userns` */
	readonly SecurityOptions?: readonly string[] | null;
	readonly Runtimes?: Readonly<Record<string, { readonly path?: string }>> | null;
	readonly DefaultRuntime?: string;
	/** the id is empty outside a swarm */
	readonly Swarm?: { readonly NodeID?: string };
}
export interface EnginePlugin {
	readonly Id: string;
	readonly Name: string;
	readonly Settings: { readonly Mounts?: readonly { readonly Name: string; readonly Source: string }[] | null };
}
export interface EngineImage {
	readonly Id: string;
	/** `REPOSITORY@sha256:…` */
	readonly RepoDigests?: readonly string[] | null;
	readonly Config?: { readonly User?: string; readonly Labels?: Readonly<Record<string, string>> | null; readonly Volumes?: Readonly<Record<string, unknown>> | null } | null;
}
export interface EngineContainer {
	readonly Id: string;
	/** each with a leading slash */
	readonly Names: readonly string[] | null;
	readonly State: string;
	readonly Image: string;
	readonly ImageID: string;
	readonly Labels: Readonly<Record<string, string>> | null;
	readonly Mounts: readonly { readonly Type?: string; readonly Name?: string; readonly Driver?: string; readonly Destination: string }[] | null;
}

/** As far as it tells a real one. */
export interface EngineTask {
	readonly ServiceID: string;
	/** of a replicated service, from 1 */
	readonly Slot?: number;
	readonly NodeID?: string;
	readonly DesiredState?: string;
	readonly Status?: { readonly ContainerStatus?: { readonly ContainerID?: string } | null };
}

/** A file of a container as a tar archive, one character for each byte. */
export interface FileInContainer {
	readonly archive: string;
	/** where a symbolic link leads in the end; empty for anything else */
	readonly linkTarget: string;
}
/** A part of what `docker inspect` shows. */
export interface EngineContainerDetails {
	readonly Id: string;
	/** its own one, with a leading slash */
	readonly Name: string;
	/** the id of its image */
	readonly Image: string;
	readonly Config: { readonly OpenStdin: boolean; readonly Labels?: Readonly<Record<string, string>> | null };
	readonly HostConfig: { readonly Runtime?: string; readonly PidMode?: string; readonly IpcMode?: string; readonly NetworkMode?: string; readonly Cgroup?: string };
	readonly Mounts: readonly { readonly Type: string; readonly Name?: string; readonly Source?: string; readonly Destination: string; readonly Driver?: string; readonly RW?: boolean }[] | null;
}
export interface EngineVolume {
	readonly Driver: string;
	readonly Options: Readonly<Record<string, string>> | null;
}

export type Engine = ReturnType<typeof createEngine>;

/**
 * @param socketPath the engine's unix socket
 * @param ownHeaders sent with every call
 */
export function createEngine(socketPath: string, ownHeaders: Readonly<Record<string, string>>) {
	async function call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
		const body = options.body === undefined ? undefined : JSON.stringify(options.body);
		const contentHeaders = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
		const requestOptions = { socketPath, method, path, headers: { ...ownHeaders, ...options.headers, host: 'docker', ...contentHeaders }, agent: false } as const;
		const limits = { deadlineMs: options.deadlineMs ?? DEADLINE_MS, maxBytes: options.maxBytes ?? MAX_BYTES, ...(options.encoding && { encoding: options.encoding }) };
		try {
			return await exchange((signal, onAnswer) => httpRequest({ ...requestOptions, signal }, onAnswer), body, limits);
		} catch (cause) {
			throw new BirthmarkError('engine-unavailable', 'the engine did not answer a question of the plugin; try again', { cause });
		}
	}

	/** @throws BirthmarkError `engine-unavailable` for any other status */
	async function get<T>(path: string, absent?: 404, deadlineMs = DEADLINE_MS): Promise<T | undefined> {
		const answer = await call('GET', path, { deadlineMs });
		if (answer.status === absent) return undefined;
		if (answer.status !== 200) throw refused(path, answer);
		return JSON.parse(answer.body) as T;
	}

	/** All containers, running or not, that match. `/containers/json` takes no container lock. */
	async function containers(filters: Readonly<Record<string, readonly string[]>>): Promise<EngineContainer[]> {
		return (await get<EngineContainer[]>(`/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`, undefined, BUSY_DEADLINE_MS))!;
	}

	const seenImages = new Map<string, EngineImage>();
	async function image(reference: string): Promise<EngineImage | undefined> {
		const found = await get<EngineImage>(`/images/${reference.split('/').map(encodeURIComponent).join('/')}/json`, 404, BUSY_DEADLINE_MS);
		if (!found) return undefined;
		seenImages.delete(found.Id);
		seenImages.set(found.Id, found);
		if (seenImages.size > SEEN_IMAGES) seenImages.delete(seenImages.keys().next().value!);
		return found;
	}

	return {
		/** @param headers beside the plugin's own @returns the status @throws BirthmarkError `engine-unavailable` when the API does not answer */
		async ping(headers: Record<string, string>, deadlineMs: number): Promise<number> {
			return (await call('GET', '/_ping', { headers, deadlineMs })).status;
		},
		async info(): Promise<EngineInfo> {
			return (await get<EngineInfo>('/info'))!;
		},
		followReloads: (watch: ReloadWatch, signal: AbortSignal): Promise<void> => followReloads({ socketPath, headers: ownHeaders }, watch, signal),
		async plugins(): Promise<EnginePlugin[]> {
			return (await get<EnginePlugin[]>('/plugins'))!;
		},
		/** @returns undefined when the engine has no such image */
		image,
		/** By its id, under which the same is there for good: one that was looked at a moment ago is not asked for again. */
		imageById: async (id: string): Promise<EngineImage | undefined> => seenImages.get(id) ?? image(id),
		containers,
		/** All containers, running or not, that have the volume; the engine's filter takes destinations for volumes as well. */
		async containersOf(volume: string): Promise<EngineContainer[]> {
			return (await containers({ volume: [volume] })).filter(({ Mounts }) => Mounts?.some(({ Name }) => Name === volume));
		},
		/** A container that nobody starts, to look into its image. @param emptyPaths where nothing of the image is to be copied to @returns its id */
		async createUnstarted(image: string, labels: Readonly<Record<string, string>>, emptyPaths: readonly string[]): Promise<string> {
			const Tmpfs = Object.fromEntries(emptyPaths.map((path) => [path, '']));
			const body = { Image: image, Entrypoint: ['/nothing'], Labels: labels, NetworkDisabled: true, HostConfig: { NetworkMode: 'none', Tmpfs } };
			const answer = await call('POST', '/containers/create', { body, deadlineMs: CREATE_DEADLINE_MS });
			if (answer.status !== 201) throw refused('/containers/create', answer);
			return (JSON.parse(answer.body) as { Id: string }).Id;
		},
		/** @returns undefined when it is not there */
		async fileIn(containerId: string, path: string, maxBytes: number): Promise<FileInContainer | undefined> {
			const answer = await call('GET', `/containers/${containerId}/archive?path=${encodeURIComponent(path)}`, { maxBytes: maxBytes + ARCHIVE_BYTES, encoding: 'latin1' });
			if (answer.status === 404) return undefined;
			if (answer.status !== 200) throw refused('/archive', answer);
			return { archive: answer.body, linkTarget: linkTargetOf(answer.headers['x-docker-container-path-stat']) };
		},
		async removeContainer(containerId: string): Promise<void> {
			const answer = await call('DELETE', `/containers/${containerId}?force=1&v=1`, { deadlineMs: REMOVE_DEADLINE_MS });
			if (answer.status !== 204 && answer.status !== 404) throw refused('/containers', answer);
		},
		/** @returns undefined when there is no such service, or this node manages no swarm */
		async serviceId(reference: string): Promise<string | undefined> {
			const answer = await call('GET', `/services/${encodeURIComponent(reference)}`);
			if (answer.status === 404 || answer.status === NO_MANAGER) return undefined;
			if (answer.status !== 200) throw refused('/services', answer);
			return (JSON.parse(answer.body) as { ID: string }).ID;
		},
		/** @returns undefined when there is no such service, or this node manages no swarm */
		async serviceName(id: string): Promise<string | undefined> {
			const answer = await call('GET', `/services/${encodeURIComponent(id)}`);
			if (answer.status === 404 || answer.status === NO_MANAGER) return undefined;
			if (answer.status !== 200) throw refused('/services', answer);
			return (JSON.parse(answer.body) as { Spec: { Name: string } }).Spec.Name;
		},
		/** @returns undefined when this node manages no swarm, and cannot tell */
		async serviceIds(): Promise<string[] | undefined> {
			const answer = await call('GET', '/services');
			if (answer.status === NO_MANAGER) return undefined;
			if (answer.status !== 200) throw refused('/services', answer);
			return (JSON.parse(answer.body) as { ID: string }[]).map(({ ID }) => ID);
		},
		/** @returns undefined when there is no such task, or this node manages no swarm */
		async task(id: string): Promise<EngineTask | undefined> {
			const answer = await call('GET', `/tasks/${encodeURIComponent(id)}`);
			if (answer.status === 404 || answer.status === NO_MANAGER) return undefined;
			if (answer.status !== 200) throw refused('/tasks', answer);
			return JSON.parse(answer.body) as EngineTask;
		},
		/**
		 * Waits for the lock of the container, so never while a volume of it is mounted or unmounted.
		 *
		 * @param reference by id, name or prefix of the id
		 * @param isNew nobody holds its lock: what takes long is an engine that makes many
		 * @returns undefined when there is none
		 */
		inspect(reference: string, isNew = false): Promise<EngineContainerDetails | undefined> {
			return get<EngineContainerDetails>(`/containers/${encodeURIComponent(reference)}/json`, 404, isNew ? BUSY_DEADLINE_MS : DEADLINE_MS);
		},
		/** @returns the id of the container; undefined when there is no such exec */
		async containerOfExec(execId: string): Promise<string | undefined> {
			return (await get<{ ContainerID: string }>(`/exec/${encodeURIComponent(execId)}/json`, 404))?.ContainerID;
		},
		/** Waits for the lock of the volume, so never while it is being made. @returns undefined when there is none */
		volume(name: string): Promise<EngineVolume | undefined> {
			return get<EngineVolume>(`/volumes/${encodeURIComponent(name)}`, 404);
		},
		/** Succeeds when the volume is there already. */
		async createVolume(name: string, driver: string): Promise<void> {
			const answer = await call('POST', '/volumes/create', { body: { Name: name, Driver: driver } });
			if (answer.status !== 201) throw refused('/volumes/create', answer);
		},
		/** @returns false when a container still uses the volume */
		async removeVolume(name: string): Promise<boolean> {
			const answer = await call('DELETE', `/volumes/${encodeURIComponent(name)}`, { deadlineMs: REMOVE_DEADLINE_MS });
			if (answer.status === 409) return false;
			if (answer.status !== 204 && answer.status !== 404) throw refused('/volumes', answer);
			return true;
		},
	};
}

interface CallOptions {
	readonly body?: unknown;
	readonly headers?: Record<string, string>;
	readonly deadlineMs?: number;
	readonly maxBytes?: number;
	readonly encoding?: BufferEncoding;
}

/** @param header `X-Docker-Container-Path-Stat` of an archive call */
function linkTargetOf(header: string | string[] | undefined): string {
	if (typeof header !== 'string') return '';
	return (JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as { linkTarget?: string }).linkTarget ?? '';
}

function refused(path: string, answer: Answer): BirthmarkError {
	return new BirthmarkError('engine-unavailable', `the engine answered ${answer.status} to ${path.split('?')[0]}: ${quote(answer.body.trim())}`);
}

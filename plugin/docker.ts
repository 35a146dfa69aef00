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
import { exchange, type Answer } from './request.ts';

const DEADLINE_MS = 3_000;
/** Removing a container's volume waits for the engine's own locks. */
const REMOVE_DEADLINE_MS = 20_000;
const MAX_BYTES = 16 * 1024 * 1024;

export interface EngineInfo {
	readonly Name: string;
	readonly DockerRootDir: string;
}
export interface EnginePlugin {
	readonly Id: string;
	readonly Name: string;
	readonly Settings: { readonly Mounts?: readonly { readonly Name: string; readonly Source: string }[] | null };
}
export interface EngineImage {
	readonly Id: string;
	readonly RepoDigests?: readonly string[] | null;
	readonly Config?: { readonly User?: string; readonly Labels?: Readonly<Record<string, string>> | null } | null;
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

export type Engine = ReturnType<typeof createEngine>;

/**
 * @param socketPath the engine's unix socket
 * @param ownHeaders sent with every call
 */
export function createEngine(socketPath: string, ownHeaders: Readonly<Record<string, string>>) {
	async function call(method: string, path: string, options: { body?: unknown; headers?: Record<string, string>; deadlineMs?: number } = {}): Promise<Answer> {
		const body = options.body === undefined ? undefined : JSON.stringify(options.body);
		const contentHeaders = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
		const requestOptions = { socketPath, method, path, headers: { ...ownHeaders, ...options.headers, host: 'docker', ...contentHeaders }, agent: false } as const;
		const limits = { deadlineMs: options.deadlineMs ?? DEADLINE_MS, maxBytes: MAX_BYTES };
		try {
			return await exchange((signal, onAnswer) => httpRequest({ ...requestOptions, signal }, onAnswer), body, limits);
		} catch (cause) {
			throw new BirthmarkError('engine-unavailable', 'the engine did not answer a question of the plugin; try again', { cause });
		}
	}

	/** @throws BirthmarkError `engine-unavailable` for any other status */
	async function get<T>(path: string, absent?: 404): Promise<T | undefined> {
		const answer = await call('GET', path);
		if (answer.status === absent) return undefined;
		if (answer.status !== 200) throw refused(path, answer);
		return JSON.parse(answer.body) as T;
	}

	/** All containers, running or not, that match. `/containers/json` takes no container lock. */
	async function containers(filters: Readonly<Record<string, readonly string[]>>): Promise<EngineContainer[]> {
		return (await get<EngineContainer[]>(`/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`))!;
	}

	return {
		/** @param headers beside the plugin's own @returns the status @throws BirthmarkError `engine-unavailable` when the API does not answer */
		async ping(headers: Record<string, string>, deadlineMs: number): Promise<number> {
			return (await call('GET', '/_ping', { headers, deadlineMs })).status;
		},
		async info(): Promise<EngineInfo> {
			return (await get<EngineInfo>('/info'))!;
		},
		async plugins(): Promise<EnginePlugin[]> {
			return (await get<EnginePlugin[]>('/plugins'))!;
		},
		/** @returns undefined when the engine has no such image */
		image(reference: string): Promise<EngineImage | undefined> {
			return get<EngineImage>(`/images/${reference.split('/').map(encodeURIComponent).join('/')}/json`, 404);
		},
		containers,
		/** All containers, running or not, that have the volume; the engine's filter takes destinations for volumes as well. */
		async containersOf(volume: string): Promise<EngineContainer[]> {
			return (await containers({ volume: [volume] })).filter(({ Mounts }) => Mounts?.some(({ Name }) => Name === volume));
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

function refused(path: string, answer: Answer): BirthmarkError {
	return new BirthmarkError('engine-unavailable', `the engine answered ${answer.status} to ${path.split('?')[0]}: ${quote(answer.body.trim())}`);
}

/**
 * The engine's API for plugins as the upgrade uses it (docs.docker.com/reference/api/engine, /plugins),
 * over the engine's unix socket, with the permit that lets it past the rules about plugins.
 */

import { request } from 'node:http';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { PERMIT_HEADER } from '#common/protocol/plugin-upgrade.ts';

/** Pulling a plugin may take long on a slow line. */
const PULL_MS = 30 * 60_000;
/** The engine gives a plugin 30 s to start, and 10 s to stop. */
const DEADLINE_MS = 90_000;
const START_SECONDS = 30;
const MAX_BYTES = 16 * 1024 * 1024;

export interface Privilege {
	readonly Name: string;
	readonly Description: string;
	readonly Value: readonly string[];
}

export interface InstalledPlugin {
	readonly Id: string;
	readonly Name: string;
	readonly Enabled: boolean;
	readonly PluginReference?: string;
	readonly Settings: { readonly Env: readonly string[] | null; readonly Mounts: readonly { readonly Name: string; readonly Source: string }[] | null };
	readonly Config: {
		readonly Network?: { readonly Type?: string };
		readonly PidHost?: boolean;
		readonly IpcHost?: boolean;
		readonly Linux?: { readonly Capabilities?: readonly string[] | null };
		readonly Mounts?: readonly { readonly Name: string; readonly Source: string | null }[] | null;
		readonly Env?: readonly { readonly Name: string }[] | null;
	};
}

export interface UpgradeEngine {
	/** @param name with or without the tag `latest` */
	plugin(name: string): Promise<InstalledPlugin | undefined>;
	plugins(): Promise<readonly InstalledPlugin[]>;
	privileges(reference: string): Promise<readonly Privilege[]>;
	/** Installs, disabled. */
	pull(reference: string, name: string, privileges: readonly Privilege[]): Promise<void>;
	upgrade(name: string, reference: string, privileges: readonly Privilege[]): Promise<void>;
	/** @param settings `NAME=value`, `mount.source=path` */
	set(name: string, settings: readonly string[]): Promise<void>;
	enable(name: string): Promise<void>;
	/** By force: there are volumes. */
	disable(name: string): Promise<void>;
	remove(name: string): Promise<void>;
	/** What a volume's driver says of it; undefined when there is no such volume. */
	volumeStatus<T>(volume: string): Promise<T | undefined>;
	removeVolume(volume: string): Promise<void>;
}

export interface UpgradeEngineOptions {
	readonly socketPath: string;
	readonly permit: () => string;
	/** the header X-Registry-Auth for a reference, if there are credentials for its registry */
	readonly registryAuth: (reference: string) => string | undefined;
}

export function createUpgradeEngine({ socketPath, permit, registryAuth }: UpgradeEngineOptions): UpgradeEngine {
	async function call(method: string, path: string, options: { body?: unknown; headers?: Record<string, string>; deadlineMs?: number; also?: readonly number[] } = {}): Promise<{ status: number; text: string }> {
		const answer = await exchange(socketPath, method, path, { ...options.headers, [PERMIT_HEADER]: permit() }, options.body, options.deadlineMs ?? DEADLINE_MS);
		if ((answer.status < 200 || answer.status > 299) && !options.also?.includes(answer.status)) throw refusal(path, answer.status, answer.text);
		return answer;
	}
	const named = (name: string): string => encodeURIComponent(name);
	const ofRegistry = (reference: string): Record<string, string> => {
		const auth = registryAuth(reference);
		return auth === undefined ? {} : { 'X-Registry-Auth': auth };
	};
	async function transfer(path: string, reference: string, privileges: readonly Privilege[]): Promise<void> {
		const { text } = await call('POST', path, { body: privileges, headers: ofRegistry(reference), deadlineMs: PULL_MS });
		// The status is sent before the transfer begins: what went wrong is in one of the lines.
		const fault = text.split('\n').map(parseLine).find((line) => line?.error !== undefined);
		if (fault) throw new BirthmarkError('upgrade-failed', `the engine could not get ${reference}: ${fault.error}`);
	}
	const plugins = async (): Promise<readonly InstalledPlugin[]> => JSON.parse((await call('GET', '/plugins')).text) as InstalledPlugin[];

	return {
		plugins,
		plugin: async (name) => (await plugins()).find(({ Name }) => Name === name || Name === `${name}:latest`),
		privileges: async (reference) => JSON.parse((await call('GET', `/plugins/privileges?remote=${named(reference)}`, { headers: ofRegistry(reference) })).text) as Privilege[],
		pull: (reference, name, privileges) => transfer(`/plugins/pull?remote=${named(reference)}&name=${named(name)}`, reference, privileges),
		upgrade: (name, reference, privileges) => transfer(`/plugins/${named(name)}/upgrade?remote=${named(reference)}`, reference, privileges),
		set: async (name, settings) => void (await call('POST', `/plugins/${named(name)}/set`, { body: settings })),
		enable: async (name) => void (await call('POST', `/plugins/${named(name)}/enable?timeout=${START_SECONDS}`)),
		disable: async (name) => void (await call('POST', `/plugins/${named(name)}/disable?force=1`)),
		remove: async (name) => void (await call('DELETE', `/plugins/${named(name)}?force=1`)),
		async volumeStatus<T>(volume: string) {
			// 500 while the driver is not there.
			const { status, text } = await call('GET', `/volumes/${named(volume)}`, { also: [404, 500] });
			return status === 200 ? ((JSON.parse(text) as { Status?: T }).Status) : undefined;
		},
		removeVolume: async (volume) => void (await call('DELETE', `/volumes/${named(volume)}`, { also: [404] })),
	};
}

function exchange(socketPath: string, method: string, path: string, headers: Record<string, string>, body: unknown, deadlineMs: number): Promise<{ status: number; text: string }> {
	return new Promise((resolve, reject) => {
		const payload = body === undefined ? undefined : JSON.stringify(body);
		const content = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
		const failed = (cause: Error): void => reject(new BirthmarkError('engine-unavailable', `the engine could not be asked: ${cause.message}; is it running, and is DOCKER_HOST its unix socket?`, { cause }));
		const call = request({ socketPath, method, path, headers: { ...headers, ...content, host: 'docker' }, agent: false, signal: AbortSignal.timeout(deadlineMs) }, (answer) => {
			const chunks: Buffer[] = [];
			let size = 0;
			answer.on('data', (chunk: Buffer) => {
				if ((size += chunk.length) <= MAX_BYTES) chunks.push(chunk);
			});
			answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
			answer.on('error', failed);
		});
		call.on('error', failed);
		call.end(payload);
	});
}

function refusal(path: string, status: number, text: string): BirthmarkError {
	const message = (parseLine(text) as { message?: string } | undefined)?.message ?? text.trim();
	return new BirthmarkError('upgrade-failed', `the engine answered ${status} to ${path.split('?')[0]}: ${message}`);
}

function parseLine(line: string): { error?: string } | undefined {
	try {
		return JSON.parse(line) as { error?: string };
	} catch {
		return undefined;
	}
}

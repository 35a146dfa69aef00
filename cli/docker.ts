/** The engine, as far as the command looks at it. The only place here that knows dockerode. */

import type Docker from 'dockerode';
import { Readable } from 'node:stream';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { SENTINEL_VOLUME, type PluginStatus } from '#common/protocol/plugin-status.ts';
import { guardName } from '#common/protocol/plugin-upgrade.ts';
import { isNamed, type ChainPlugin } from '#common/runtime/authorization-chain.ts';
import type { EngineRuntimes } from './engine/setup.ts';
import type { EngineFacts, HiddenBody } from './engine-limits.ts';

export interface EngineView extends EngineFacts {
	readonly plugin: InstalledPlugin | undefined;
	readonly runtimes: EngineRuntimes;
	/** name of a stand-in that an upgrade has left */
	readonly guard?: string;
	/** undefined when the sentinel volume is not there */
	readonly status: PluginStatus | undefined;
}

export interface InstalledPlugin extends ChainPlugin {
	/** directory of the host that it has for its sockets and mounts; absent for what is no plugin of ours */
	readonly run?: string;
}

/** What `birthmark engine setup` asks of an engine. */
export interface EngineForSetup {
	version(): Promise<string>;
	runtimes(): Promise<EngineRuntimes>;
	plugins(): Promise<readonly InstalledPlugin[]>;
	status(): Promise<PluginStatus | undefined>;
	/** names of all containers, running or not, that were created with a runtime */
	containersWith(runtime: string): Promise<readonly string[]>;
}

/** @param socketPath the engine's unix socket */
export async function connectEngine(socketPath: string): Promise<EngineForSetup> {
	const { default: Engine } = await import('dockerode');
	const docker = new Engine({ socketPath, timeout: 10_000 });
	const asked = <T>(work: () => Promise<T>): Promise<T> => work().catch((cause: unknown) => Promise.reject(unavailable(cause)));
	return {
		version: () => asked(async () => (await docker.version()).Version),
		runtimes: () => asked(async () => runtimesOf((await docker.info()) as EngineInfo)),
		plugins: () => asked(() => listPlugins(docker)),
		status: () => asked(() => readStatus(docker)),
		containersWith: (runtime) => asked(async () => {
			const details = await Promise.all((await docker.listContainers({ all: true })).map(({ Id }) => docker.getContainer(Id).inspect().catch(() => undefined)));
			return details.filter((container) => container?.HostConfig.Runtime === runtime).map((container) => container!.Name.slice(1));
		}),
	};
}

/** @throws BirthmarkError `engine-unavailable` */
export async function inspectEngine(pluginName: string): Promise<EngineView> {
	try {
		// Takes as long to load as everything else of the command, and only doctor needs it.
		const { default: Engine } = await import('dockerode');
		const docker = new Engine({ timeout: 10_000 });
		const version = await docker.version();
		const info = (await docker.info()) as EngineInfo;
		const plugins = await listPlugins(docker);
		const plugin = plugins.find(({ name }) => isNamed(name, pluginName));
		const guard = plugins.find(({ name }) => isNamed(name, guardName(pluginName)));
		const status = await readStatus(docker);
		return {
			version: version.Version,
			apiVersion: version.ApiVersion,
			kernelVersion: info.KernelVersion ?? '',
			operatingSystem: info.OperatingSystem ?? '',
			securityOptions: info.SecurityOptions ?? [],
			// Only the plugin can tell what it was not shown.
			hiddenBodies: status?.inChain === true ? await findHiddenBodies(docker) : undefined,
			...(guard && { guard: guard.name }),
			plugin,
			runtimes: runtimesOf(info),
			status,
		};
	} catch (cause) {
		throw unavailable(cause);
	}
}

interface EngineInfo {
	readonly KernelVersion?: string;
	readonly OperatingSystem?: string;
	readonly SecurityOptions?: readonly string[] | null;
	readonly DockerRootDir?: string;
	readonly DefaultRuntime?: string;
	readonly Runtimes?: Readonly<Record<string, { readonly path?: string; readonly runtimeArgs?: readonly string[] | null }>> | null;
}

function runtimesOf({ DockerRootDir, DefaultRuntime, Runtimes }: EngineInfo): EngineRuntimes {
	return { dataRoot: DockerRootDir ?? '', defaultRuntime: DefaultRuntime ?? '', runtimes: Runtimes ?? {} };
}

async function listPlugins(docker: Docker): Promise<InstalledPlugin[]> {
	const plugins = (await docker.listPlugins()) as Array<{ Name: string; Enabled: boolean; Settings?: { Mounts?: Array<{ Name: string; Source: string }> | null } }>;
	return plugins.map(({ Name, Enabled, Settings }) => {
		const run = Settings?.Mounts?.find((mount) => mount.Name === 'run')?.Source;
		return { name: Name, enabled: Enabled, ...(run !== undefined && { run }) };
	});
}

function unavailable(cause: unknown): BirthmarkError {
	const { message, code } = cause as NodeJS.ErrnoException;
	// Refused on every address of a name, Node leaves the message empty.
	return new BirthmarkError('engine-unavailable', `the engine could not be asked: ${message || code}; set DOCKER_HOST to the engine's address`, { cause });
}

async function readStatus(docker: Docker): Promise<PluginStatus | undefined> {
	try {
		return ((await docker.getVolume(SENTINEL_VOLUME).inspect()) as unknown as { Status?: PluginStatus }).Status;
	} catch (error) {
		if (error instanceof Error && 'statusCode' in error && (error.statusCode === 404 || error.statusCode === 500)) return undefined;
		throw error;
	}
}

/**
 * Asks for containers that cannot be: their image has an illegal name. The plugin refuses them when the
 * engine did not show it the body; otherwise the engine does. A version does not tell, because
 * distributions mend engines without changing it.
 */
async function findHiddenBodies(docker: Docker): Promise<readonly HiddenBody[]> {
	const create = (padding: number): Buffer => Buffer.from(JSON.stringify({ Image: 'ILLEGAL', Env: [`PADDING=${'x'.repeat(padding)}`] }));
	const attempts: ReadonlyArray<readonly [HiddenBody, Buffer | Readable]> = [
		// A stream has no length that could be told in advance.
		['chunked', Readable.from([create(0)])],
		['large', create(1024 * 1024)],
	];
	const hidden: HiddenBody[] = [];
	for (const [name, file] of attempts) {
		const refusal = await new Promise<string>((resolve) => {
			docker.modem.dial({ path: '/containers/create', method: 'POST', file, headers: { 'Content-Type': 'application/json' }, statusCodes: {} } as never, (error: unknown) => resolve(String(error)));
		});
		if (refusal.includes(`[${'engine-request-unseen' satisfies ErrorCode}]`)) hidden.push(name);
	}
	return hidden;
}

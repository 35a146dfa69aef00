/** The engine, as far as the command looks at it. The only place here that knows dockerode. */

import type Docker from 'dockerode';
import { Readable } from 'node:stream';
import { BirthmarkError, type ErrorCode } from '#common/protocol/errors.ts';
import { SENTINEL_VOLUME, type PluginStatus } from '#common/protocol/plugin-status.ts';
import { guardName } from '#common/protocol/plugin-upgrade.ts';
import type { EngineFacts, HiddenBody } from './engine-limits.ts';

export interface EngineView extends EngineFacts {
	readonly plugin: { readonly name: string; readonly enabled: boolean } | undefined;
	/** name of a stand-in that an upgrade has left */
	readonly guard?: string;
	/** undefined when the sentinel volume is not there */
	readonly status: PluginStatus | undefined;
}

/** @throws BirthmarkError `engine-unavailable` */
export async function inspectEngine(pluginName: string): Promise<EngineView> {
	try {
		// Takes as long to load as everything else of the command, and only doctor needs it.
		const { default: Engine } = await import('dockerode');
		const docker = new Engine({ timeout: 10_000 });
		const version = await docker.version();
		const info = (await docker.info()) as { KernelVersion?: string; OperatingSystem?: string; SecurityOptions?: string[] | null };
		const plugins = (await docker.listPlugins()) as Array<{ Name: string; Enabled: boolean }>;
		const plugin = plugins.find(({ Name }) => Name === pluginName || Name === `${pluginName}:latest`);
		const guard = plugins.find(({ Name }) => Name === `${guardName(pluginName)}:latest`);
		const status = await readStatus(docker);
		return {
			version: version.Version,
			apiVersion: version.ApiVersion,
			kernelVersion: info.KernelVersion ?? '',
			operatingSystem: info.OperatingSystem ?? '',
			securityOptions: info.SecurityOptions ?? [],
			// Only the plugin can tell what it was not shown.
			hiddenBodies: status?.inChain === true ? await findHiddenBodies(docker) : undefined,
			...(guard && { guard: guard.Name }),
			plugin: plugin && { name: plugin.Name, enabled: plugin.Enabled },
			status,
		};
	} catch (cause) {
		const { message, code } = cause as NodeJS.ErrnoException;
		// Refused on every address of a name, Node leaves the message empty.
		throw new BirthmarkError('engine-unavailable', `the engine could not be asked: ${message || code}; set DOCKER_HOST to the engine's address`, { cause });
	}
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

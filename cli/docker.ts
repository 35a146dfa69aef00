/** The engine, as far as the command looks at it. The only place here that knows dockerode. */

import type Docker from 'dockerode';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { SENTINEL_VOLUME, type PluginStatus } from '#common/protocol/plugin-status.ts';

export interface EngineView {
	readonly version: string;
	readonly apiVersion: string;
	readonly plugin: { readonly name: string; readonly enabled: boolean } | undefined;
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
		const plugins = (await docker.listPlugins()) as Array<{ Name: string; Enabled: boolean }>;
		const plugin = plugins.find(({ Name }) => Name === pluginName || Name === `${pluginName}:latest`);
		return {
			version: version.Version,
			apiVersion: version.ApiVersion,
			plugin: plugin && { name: plugin.Name, enabled: plugin.Enabled },
			status: await readStatus(docker),
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

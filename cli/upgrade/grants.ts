/** What a plugin may do on the host, and the credentials with which a registry gives it. */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { InstalledPlugin, Privilege } from './engine-api.ts';

/** The source of the mount "run" in the manifest of every version: where it was set, the engine has forgotten that. */
const RUN_SOURCE = '/run';

/** @returns what `wanted` has beyond what the installed version has, in words for a person; empty when nothing */
export function beyond({ Config }: Pick<InstalledPlugin, 'Config'>, wanted: readonly Privilege[]): string[] {
	const has: Record<string, readonly string[]> = {
		network: [Config.Network?.Type ?? ''],
		'host pid namespace': [String(Config.PidHost === true)],
		'host ipc namespace': [String(Config.IpcHost === true)],
		mount: [RUN_SOURCE, ...(Config.Mounts ?? []).map(({ Source }) => Source ?? '')],
		capabilities: Config.Linux?.Capabilities ?? [],
	};
	return wanted.flatMap(({ Name, Value }) => Value.filter((value) => !has[Name]?.includes(value)).map((value) => `${Name}: ${value}`));
}

/**
 * The header X-Registry-Auth, from what `docker login` stored (`auths` in ~/.docker/config.json).
 * Credential helpers are not asked.
 */
export function registryAuth(reference: string, directory = process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker')): string | undefined {
	const [host = ''] = reference.split('/');
	const registry = /[.:]|^localhost$/.test(host) && reference.includes('/') ? host : 'https://index.docker.io/v1/';
	try {
		const { auths } = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as { auths?: Record<string, { auth?: string }> };
		const [username = '', ...password] = Buffer.from(auths?.[registry]?.auth ?? '', 'base64').toString().split(':');
		if (username === '') return undefined;
		return Buffer.from(JSON.stringify({ username, password: password.join(':'), serveraddress: registry })).toString('base64url');
	} catch {
		return undefined;
	}
}

/** How the agent reaches the CA: the relay socket on the volume, or the network. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostAndPort, parseCaUrls, type HostAndPort } from '#common/protocol/ca-urls.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';

/** As the connection options of node:net and node:https name it. */
export type CaAddress = { readonly socketPath: string } | HostAndPort;

/**
 * @param caUrl of the command line, one or several; takes precedence over the volume's `agent.json`
 * @returns at least one, in the order in which to try them
 * @throws BirthmarkError `config-invalid`, `directory-unusable` when the plugin left no `agent.json`
 */
export function readCaAddresses(directory: string, caUrl?: string): readonly CaAddress[] {
	if (caUrl !== undefined) return networkAddresses(caUrl, '--ca-url');
	const path = join(directory, VolumeFile.agentConfig);
	let text: string;
	try {
		text = readFileSync(path, 'utf8');
	} catch (cause) {
		throw new BirthmarkError(
			'directory-unusable',
			`there is no ${path}: start the container with a volume of the birthmark driver at ${directory}, or give --ca-url and --token-file`,
			{ cause },
		);
	}
	return addressesFromAgentFile(text, directory, path);
}

function addressesFromAgentFile(text: string, directory: string, path: string): readonly CaAddress[] {
	let file: unknown;
	try {
		file = JSON.parse(text);
	} catch (cause) {
		throw new BirthmarkError('config-invalid', `${path} is not JSON`, { cause });
	}
	if (!isRecord(file) || file['version'] !== 1) {
		throw new BirthmarkError(
			'config-invalid',
			`${path} is not of version 1: agent and plugin do not fit together`,
		);
	}
	const ca = file['ca'];
	if (isRecord(ca) && ca['way'] === 'relay') return [{ socketPath: join(directory, VolumeFile.relaySocket) }];
	if (isRecord(ca) && ca['way'] === 'network') {
		const { url, urls } = ca;
		if (Array.isArray(urls)) return networkAddresses(urls.join(','), path);
		if (typeof url === 'string') return networkAddresses(url, path);
	}
	throw new BirthmarkError('config-invalid', `${path} does not say how to reach the CA`);
}

function networkAddresses(text: string, source: string): readonly CaAddress[] {
	const urls = parseCaUrls(text);
	if (urls) return urls.map(hostAndPort);
	throw new BirthmarkError(
		'config-invalid',
		`the CA's address in ${source} must look like https://ca.example:33004, several of one CA like https://ca1.example:33004,https://ca2.example:33004`,
	);
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null;
}

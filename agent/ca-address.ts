/** How the agent reaches the CA: the relay socket on the volume, or the network. */

import { join } from 'node:path';
import { hostAndPort, parseCaUrls, type HostAndPort } from '#common/protocol/ca-urls.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import { agentFilePath, isRecord, readAgentFile } from './agent-file.ts';

/** As the connection options of node:net and node:https name it. */
export type CaAddress = { readonly socketPath: string } | HostAndPort;

/** The plugin's socket, which leads to the CA only. */
export function relayAddress(directory: string): CaAddress {
	return { socketPath: join(directory, VolumeFile.relaySocket) };
}

/**
 * @param caUrl of the command line, one or several; takes precedence over the volume's `agent.json`
 * @returns at least one, in the order in which to try them
 * @throws BirthmarkError `config-invalid`, `directory-unusable` when the plugin left no `agent.json`
 */
export function readCaAddresses(directory: string, caUrl?: string): readonly CaAddress[] {
	if (caUrl !== undefined) return networkAddresses(caUrl, '--ca-url');
	const { ca } = readAgentFile(directory);
	const path = agentFilePath(directory);
	if (isRecord(ca) && ca['way'] === 'relay') return [relayAddress(directory)];
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

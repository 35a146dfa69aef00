/** How the agent reaches the CA: the relay socket on the volume, or the network. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';

const HTTPS_PORT = 443;

/** As the connection options of node:net and node:https name it. */
export type CaAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/**
 * @param caUrl of the command line; takes precedence over the volume's `agent.json`
 * @throws BirthmarkError `config-invalid`, `directory-unusable` when the plugin left no `agent.json`
 */
export function readCaAddress(directory: string, caUrl?: string): CaAddress {
	if (caUrl !== undefined) return networkAddress(caUrl, '--ca-url');
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
	return addressFromAgentFile(text, directory, path);
}

function addressFromAgentFile(text: string, directory: string, path: string): CaAddress {
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
	if (isRecord(ca) && ca['way'] === 'relay') return { socketPath: join(directory, VolumeFile.relaySocket) };
	if (isRecord(ca) && ca['way'] === 'network' && typeof ca['url'] === 'string') return networkAddress(ca['url'], path);
	throw new BirthmarkError('config-invalid', `${path} does not say how to reach the CA`);
}

function networkAddress(text: string, source: string): CaAddress {
	const url = URL.canParse(text) ? new URL(text) : undefined;
	const bare = url && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
	if (!url || url.protocol !== 'https:' || !bare) {
		throw new BirthmarkError(
			'config-invalid',
			`the CA's address in ${source} must look like https://ca.example:33004`,
		);
	}
	// An IPv6 address stands in brackets in a URL but not in a socket address.
	return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? HTTPS_PORT : Number(url.port) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null;
}

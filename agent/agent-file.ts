/** `agent.json` as the agent reads it: strictly, because what it does not understand somebody has asked for. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentFile, AgentSettings } from '#common/protocol/agent-file.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { VolumeFile } from '#common/protocol/volume-files.ts';
import { readOrdinaryFile } from './held-directory.ts';

/** Its version is right; what is in it is not checked yet. */
export type UncheckedAgentFile = { readonly [Key in keyof AgentFile]?: unknown };

/** With a bundle in it. What the application puts in its place need not be small. */
const MAX_FILE_BYTES = 1024 * 1024;

const isText = (value: unknown) => typeof value === 'string';
/** Every setting, and whether a value can be one of it. */
const SETTINGS: Readonly<Record<keyof AgentSettings, (value: unknown) => boolean>> = { formats: isText, keyMode: isText, owner: isText, reload: isText, reloadOn: isText, port: isText };

export function agentFilePath(directory: string): string {
	return join(directory, VolumeFile.agentConfig);
}

/** @throws BirthmarkError `config-invalid`, `directory-unusable` when the plugin left none */
export function readAgentFile(directory: string): UncheckedAgentFile {
	const path = agentFilePath(directory);
	let text: string;
	try {
		text = readOrdinaryFile(path, MAX_FILE_BYTES).toString();
	} catch (cause) {
		throw new BirthmarkError(
			'directory-unusable',
			`there is no ${path}: start the container with a volume of the birthmark driver at ${directory}, or give --ca-url and --token-file`,
			{ cause },
		);
	}
	const file = parseJson(text, path);
	if (!isRecord(file) || file['version'] !== 1) throw new BirthmarkError('config-invalid', `${path} is not of version 1: ${NO_FIT}`);
	return file;
}

/**
 * What the labels ask of the agent, nothing where no plugin has left its file. Texts are parsed by whoever
 * does what they say.
 *
 * @throws BirthmarkError `config-invalid`
 */
export function readSettings(directory: string): AgentSettings {
	const path = agentFilePath(directory);
	if (!existsSync(path)) return {};
	const { settings = {} } = readAgentFile(directory);
	if (!isRecord(settings)) throw new BirthmarkError('config-invalid', `${path} has settings that are none: ${NO_FIT}`);
	for (const [name, value] of Object.entries(settings)) {
		const isKnown = Object.hasOwn(SETTINGS, name) && SETTINGS[name as keyof AgentSettings](value);
		if (!isKnown) throw new BirthmarkError('config-invalid', `${path} has a setting ${quote(name)} that this agent does not understand: ${NO_FIT}`);
	}
	return settings;
}

/** @returns the trust bundle that the plugin uses, not yet to be trusted; undefined where it left none */
export function readOfferedBundle(directory: string): Buffer | undefined {
	if (!existsSync(agentFilePath(directory))) return undefined;
	const { bundle } = readAgentFile(directory);
	return typeof bundle === 'string' ? Buffer.from(bundle) : undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const NO_FIT = 'agent and plugin do not fit together';

function parseJson(text: string, path: string): unknown {
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw new BirthmarkError('config-invalid', `${path} is not JSON`, { cause });
	}
}

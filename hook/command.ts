/**
 * What a container would run, and the same with the agent in front. The engine merges options and
 * image in a way of its own (moby `daemon/commit.go`, `merge`); it is repeated here, because with
 * the agent as entry point the engine would drop the image's command.
 */

import { join } from 'node:path/posix';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { IDENTITY_DIRECTORY, VolumeFile } from '#common/protocol/volume-files.ts';

/** As the engine's API writes it: absent and null are the same, a single string is a list of one. */
export interface Command {
	readonly Entrypoint?: string | readonly string[] | null | undefined;
	readonly Cmd?: string | readonly string[] | null | undefined;
}

export const AGENT_PATH = join(IDENTITY_DIRECTORY, VolumeFile.agentDirectory, 'birthmark-agent');

/**
 * @param options of the container to be created
 * @param image the image's own configuration
 * @throws BirthmarkError `usage` when neither says what to run
 */
export function wrapCommand(options: Command, image: Command): { Entrypoint: string[]; Cmd: string[] } {
	const { entrypoint, command } = effectiveCommand(options, image);
	if (entrypoint.length === 0 && command.length === 0) {
		throw new BirthmarkError(
			'usage',
			'neither the image nor the options say which program to run: give a command',
		);
	}
	return { Entrypoint: [AGENT_PATH, 'exec', '--', ...entrypoint], Cmd: command };
}

function effectiveCommand(options: Command, image: Command): { entrypoint: string[]; command: string[] } {
	const entrypoint = toList(options.Entrypoint);
	const command = toList(options.Cmd);
	// Whoever sets an entry point loses the image's command; `[""]` sets it to nothing.
	if (entrypoint !== undefined && entrypoint.length > 0) {
		const isReset = entrypoint.length === 1 && entrypoint[0] === '';
		return { entrypoint: isReset ? [] : entrypoint, command: command ?? [] };
	}
	return {
		entrypoint: entrypoint ?? toList(image.Entrypoint) ?? [],
		command: command !== undefined && command.length > 0 ? command : (toList(image.Cmd) ?? []),
	};
}

function toList(value: string | readonly string[] | null | undefined): string[] | undefined {
	if (value === null || value === undefined) return undefined;
	return typeof value === 'string' ? [value] : [...value];
}

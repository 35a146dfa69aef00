/**
 * The provisioning library: options for `docker.createContainer` in, the same options with an
 * identity out. It adds what a person would write on the command line: labels, the volume, and the
 * agent in front of the program.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { IDENTITY_DIRECTORY } from '#common/protocol/volume-files.ts';
import { wrapCommand, type Command } from './command.ts';
import { imageCommand, type ContainerCreateOptions, type EngineClient, type MountSettings } from './docker.ts';
import { identityLabels, type ContainerIdentity } from './identity-labels.ts';

/** What callers need to name what they ask for. */
export type { ContainerIdentity };

export interface ProvisionSettings {
	/** the plugin's name on the engine, when it was installed under another one */
	readonly driver?: string;
	/** a runtime of the engine that is birthmark-runtime: the labels are enough then, and nothing is mounted */
	readonly runtime?: string;
}

const DEFAULT_DRIVER = 'birthmark';

/**
 * @param options for a container of an image that is on the engine already
 * @returns new options; the ones given stay as they are
 * @throws BirthmarkError `name-illegal`, `mount-illegal`, `usage`, `not-found`, `engine-unavailable`
 */
export async function provision(
	docker: EngineClient,
	options: ContainerCreateOptions,
	identity: ContainerIdentity,
	settings: ProvisionSettings = {},
): Promise<ContainerCreateOptions> {
	if (options.Image === undefined) throw new BirthmarkError('usage', 'the options name no image');
	return addIdentity(options, await imageCommand(docker, options.Image), identity, settings);
}

/** The same for an image whose entry point and command are known; asks nobody. */
export function addIdentity(
	options: ContainerCreateOptions,
	image: Command,
	identity: ContainerIdentity,
	{ driver = DEFAULT_DRIVER, runtime }: ProvisionSettings = {},
): ContainerCreateOptions {
	const Labels = { ...options.Labels, ...identityLabels(identity) };
	if (runtime !== undefined) return { ...options, Labels, HostConfig: { ...options.HostConfig, Runtime: runtime } };
	const mounts = options.HostConfig?.Mounts ?? [];
	if (mounts.some(({ Target }) => Target === IDENTITY_DIRECTORY)) {
		throw new BirthmarkError(
			'mount-illegal',
			`something is mounted at ${IDENTITY_DIRECTORY} already: the identity goes there`,
		);
	}
	return {
		...options,
		// The node runs the agent of a container in which nothing else than its own program is to run.
		...(identity.agentMode !== 'node' && wrapCommand(options, image)),
		Labels,
		HostConfig: { ...options.HostConfig, Mounts: [...mounts, identityMount(driver)] },
	};
}

/** Anonymous: the engine gives it a name that nobody can guess, and it belongs to this container alone. */
function identityMount(driver: string): MountSettings {
	return {
		Type: 'volume',
		Target: IDENTITY_DIRECTORY,
		Source: '',
		// Files that an image has at this place must not end up beside the key.
		VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: driver, Options: {} } },
	};
}

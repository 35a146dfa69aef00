/** What the provisioning library needs of the engine, by dockerode. */

import type Docker from 'dockerode';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Command } from './command.ts';

export type ContainerCreateOptions = Docker.ContainerCreateOptions;
export type HostConfig = Docker.HostConfig;
export type MountSettings = Docker.MountSettings;
/** A dockerode client, or anything that can inspect an image like one. */
export type EngineClient = { getImage(name: string): { inspect(): Promise<{ Config?: Command | null }> } };

/**
 * Entry point and command of an image that is on the engine.
 *
 * @throws BirthmarkError `not-found` when it is not there, `engine-unavailable`
 */
export async function imageCommand(docker: EngineClient, image: string): Promise<Command> {
	try {
		const { Config } = await docker.getImage(image).inspect();
		return Config ?? {};
	} catch (cause) {
		if (cause instanceof Error && 'statusCode' in cause && cause.statusCode === 404) {
			throw new BirthmarkError(
				'not-found',
				`the engine does not have the image ${image}: pull or build it first`,
				{ cause },
			);
		}
		throw new BirthmarkError(
			'engine-unavailable',
			`the engine did not answer for the image ${image}: check that it runs and that DOCKER_HOST is right`,
			{ cause },
		);
	}
}

export type Engine = Docker;

/** @param socketPath of an engine. Loaded only when it is needed: whoever has a client of his own brings it. */
export async function connectEngine(socketPath: string): Promise<Engine> {
	const { default: Engine } = await import('dockerode');
	return new Engine({ socketPath });
}

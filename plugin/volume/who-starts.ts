/** Whose start it is: Mount does not say, and the engine's list tells what became of whoever it could be. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { ownName } from '../authz/auto-name.ts';
import type { Engine, EngineContainer } from '../docker.ts';
import type { IdentityRecord, Records } from '../records.ts';

/** What a container gets its identity by: its volume, or its own id when the runtime hands it over. */
export type Holder = Pick<IdentityRecord, 'volume' | 'delivery'>;

/** What the engine knows of a container, from its API or from what it has written down. */
export type KnownContainer = Pick<EngineContainer, 'Id' | 'State' | 'ImageID' | 'Names'>;

/** @throws BirthmarkError `engine-unavailable` */
export function createContainersOf(engine: Pick<Engine, 'containers' | 'containersOf'>): (holder: Holder) => Promise<EngineContainer[]> {
	return async ({ volume, delivery }) => (delivery === 'volume' ? engine.containersOf(volume) : (await engine.containers({ id: [volume] })).filter(({ Id }) => Id === volume));
}

export interface WhoStartsDeps {
	readonly records: Pick<Records, 'identity' | 'identitiesOf'>;
	/** every container that it reaches, running or not; throws when the engine does not answer */
	readonly containersOf: (holder: Holder) => Promise<readonly KnownContainer[]>;
	/** a container is gone */
	readonly forget: (containerId: string) => Promise<void>;
}

/**
 * The container that starts. It is the one whose turn it is when that does not run yet and no other has
 * the volume; one that was created without the plugin's yes may have it.
 *
 * @throws BirthmarkError `identity-isolated` when it could be another, `image-changed`, `volume-unknown`
 */
export async function whoStarts(deps: WhoStartsDeps, owner: IdentityRecord): Promise<IdentityRecord> {
	const { records, containersOf, forget } = deps;
	const containers = await containersOf(owner);
	const container = containers.find(({ Id }) => Id === owner.containerId);
	if (!container) {
		await forget(owner.containerId);
		const next = records.identity(owner.volume);
		if (!next) throw neverAuthorized(owner.delivery);
		return whoStarts(deps, next);
	}
	const { State: state, ImageID: imageId } = container;
	if (owner.imageId !== '' && imageId !== owner.imageId) {
		throw new BirthmarkError('image-changed', `the container has the image ${imageId}, and ${owner.imageId} was authorized for ${quote(owner.commonName)}; create it again`);
	}
	const identities = records.identitiesOf(owner.volume);
	const stranger = containers.find(({ Id }) => !identities.some(({ containerId }) => containerId === Id));
	if (stranger) {
		const id = stranger.Id.slice(0, 12);
		throw new BirthmarkError('identity-isolated', `the container ${id} has the volume of ${quote(owner.commonName)} without being authorized for it; remove it first (docker rm --force ${id})`);
	}
	// With a restart policy on its side it can only be the owner.
	const named = { ...owner, containerName: ownName(container) || owner.containerName };
	if (state === 'restarting') return named;
	if (containers.length > 1 || state === 'running' || state === 'paused') {
		const id = owner.containerId.slice(0, 12);
		throw new BirthmarkError('identity-isolated', `the volume belongs to the container ${id} as long as that exists; remove it first (docker rm --force ${id})`);
	}
	return named;
}

/** The start of a container that nobody decided on. */
export function neverAuthorized(delivery: IdentityRecord['delivery']): BirthmarkError {
	if (delivery === 'runtime') {
		return new BirthmarkError('volume-unknown', 'nobody authorized an identity for this container: remove it, and create it again while the plugin runs');
	}
	return new BirthmarkError(
		'volume-unknown',
		'no container was authorized for this volume: remove the container and create it again while the plugin runs ' +
			'(an image with files at /run/birthmark also needs volume-nocopy in --mount)',
	);
}

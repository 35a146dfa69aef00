/** What containers and tasks of services have in common when they are given an identity. */

import { userFact } from '#common/policy/spelling.ts';
import { BirthmarkError, errorCode } from '#common/protocol/errors.ts';
import type { Authorization, AuthorizeRequest } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { EngineImage } from '../docker.ts';
import type { IdentityRecord, Records } from '../records.ts';
import type { IdentityLabels } from './labels.ts';
import type { OwnerDeps } from './ownership.ts';

export interface BirthDeps {
	readonly ca: { authorize(request: AuthorizeRequest): Promise<Authorization> };
	readonly records: Pick<Records, 'beginBirth' | 'abandonBirth' | 'addIdentity'>;
	/** the records hold something for the CA */
	readonly onEnded: () => void;
	readonly logger: Pick<Logger, 'info' | 'error'>;
}

/** What the CA is asked for. @param image the reference that people wrote */
export function authorizeRequestOf({ names, profile, lifetimeSeconds }: Pick<IdentityLabels, 'names' | 'profile' | 'lifetimeSeconds'>, image: string, imageId: string): AuthorizeRequest {
	return { ...names, image, imageId, ...(profile !== undefined && { profile }), ...(lifetimeSeconds !== undefined && { lifetimeSeconds }) };
}

/**
 * What the rules are told of the user where a name hides it: whom the image calls by that name.
 *
 * @throws BirthmarkError `engine-unavailable` when the image cannot be asked
 */
export async function rootByName({ ownerOf }: Pick<OwnerDeps, 'ownerOf'>, user: string, image: EngineImage): Promise<{ readonly user?: 'root' }> {
	const name = userFact(user || image.Config?.User || '');
	if (name === 'root' || /^[+-]?[0-9]+$/.test(name)) return {};
	try {
		return (await ownerOf(user, image)).uid === 0 ? { user: 'root' } : {};
	} catch (error) {
		// The engine will not find that user either.
		if (errorCode(error) === 'label-missing') return {};
		throw error;
	}
}

/**
 * Authorizes a container with the CA and writes its record, both or neither.
 *
 * @throws BirthmarkError what the CA says, `identity-isolated`
 */
export async function giveBirth(deps: BirthDeps, asked: AuthorizeRequest & { readonly containerId: string }, record: Omit<IdentityRecord, 'authorizationId' | 'containerId'>): Promise<void> {
	const { containerId, image } = asked;
	deps.records.beginBirth(asked);
	try {
		const { id: authorizationId } = await deps.ca.authorize(asked);
		if (authorizationId === undefined) throw new BirthmarkError('ca-protocol', 'the CA authorized the container without saying under which id');
		deps.records.addIdentity({ ...record, containerId, authorizationId });
		deps.logger.info('container authorized', { commonName: record.commonName, containerId, authorizationId, volume: record.volume, image });
	} catch (error) {
		// The CA may have it, also when its answer was lost; without a record nobody would ever report its end.
		deps.records.abandonBirth(containerId);
		deps.onEnded();
		throw error;
	}
}

/** A node says: this container of mine shall have these names. The CA decides whether it may. */

import { randomUUID } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Authorization, AuthorizeRequest } from '#common/protocol/messages.ts';
import { checkDnsName, checkName } from '#common/protocol/names.ts';
import type { Authorities } from '../issuance/authorities.ts';
import { requirePermitted, workloadIdentity, type Domain } from '../issuance/identity.ts';
import { requireLifetime } from '../issuance/profiles.ts';
import type { Actor } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { requireAllowed } from './allow.ts';

export interface AuthorizeDeps {
	readonly store: Pick<Store, 'findNode' | 'authorize'>;
	readonly clock: { now(): Date };
	readonly domain: Domain;
	readonly authorities: Pick<Authorities, 'current'>;
}

export type Authorize = (node: string, request: AuthorizeRequest, by: Actor) => Promise<Authorization>;

/** @returns a function that registers one container of one node; a dry run is decided alike and leaves nothing behind */
export function createAuthorize({ store, clock, domain, authorities }: AuthorizeDeps): Authorize {
	return async (node, request, by) => {
		const names = {
			commonName: checkName('common name', request.commonName),
			organizationalUnit: checkName('role', request.organizationalUnit),
			dnsNames: [...new Set(request.dnsNames.map(checkDnsName))].filter((name) => name !== request.commonName),
			...(request.profile !== undefined && { profile: request.profile }),
		};
		const record = await store.findNode(node);
		if (record?.status !== 'active') throw cutOff(node);
		requireAllowed(names, node, record.allow);
		const identity = workloadIdentity(names, domain);
		requirePermitted(identity, authorities.current().active.issuer);
		const lifetimeSeconds = requireLifetime(identity.profile, request.lifetimeSeconds);
		const answer = { ...names, organization: identity.organization, spiffeId: identity.spiffeId, lifetimeSeconds };
		if (request.dryRun) return answer;

		const { containerId, containerName, image, imageId } = request;
		if (containerId === undefined) throw new BirthmarkError('request-malformed', 'containerId is missing: only a dry run goes without');
		const result = await store.authorize({
			id: randomUUID(),
			node,
			containerId,
			...(containerName !== undefined && { containerName }),
			image,
			...(imageId !== undefined && { imageId }),
			...names,
			lifetimeSeconds,
			createdAt: clock.now(),
		}, by);
		switch (result.outcome) {
			case 'cut-off': throw cutOff(node);
			case 'ended': throw new BirthmarkError('authorization-ended', 'this container was reported gone; create a new one');
			case 'conflict': {
				const { commonName, organizationalUnit } = result.authorization;
				const names = `"${commonName}" with role "${organizationalUnit}"`;
				throw new BirthmarkError('authorization-conflict', `this container is already authorized as ${names}; a container has one identity for life`);
			}
			case 'created':
			case 'existing': return { ...answer, id: result.authorization.id, lifetimeSeconds: result.authorization.lifetimeSeconds };
		}
	};
}

function cutOff(node: string): BirthmarkError {
	return new BirthmarkError('forbidden', `node "${node}" has been cut off; join it again with a token that carries its name`);
}

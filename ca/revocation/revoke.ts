/** Revocation: durable in the store, then in the published list, then answered. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { RevocationReason, RevokeAnswer, RevokeRequest } from '#common/protocol/messages.ts';
import type { Actor } from '../store/records.ts';
import type { RevocationSelector, Store } from '../store/store.ts';
import type { RevocationLists } from './lists.ts';

export interface RevokeDeps {
	readonly store: Pick<Store, 'revoke' | 'endAuthorization' | 'cutOffNode' | 'cutOffUser'>;
	readonly lists: RevocationLists;
	readonly clock: { now(): Date };
}

export interface Revoke {
	/** @param node when given, reaches only what belongs to this node */
	certificates(request: RevokeRequest, node: string | undefined, by: Actor): Promise<RevokeAnswer>;
	/** The container is gone: nothing can come of its authorization any more. */
	authorization(id: string, node: string | undefined, by: Actor): Promise<RevokeAnswer>;
	/** Cuts a node off, with everything that it authorized. */
	node(name: string, by: Actor): Promise<RevokeAnswer>;
	/** Cuts a user off, with everything that its tokens enrolled. */
	user(name: string, by: Actor): Promise<RevokeAnswer>;
}

export function createRevoke({ store, lists, clock }: RevokeDeps): Revoke {
	const answer = async (revoked: number): Promise<RevokeAnswer> => {
		const { number } = revoked > 0 ? await lists.publish() : await lists.latest();
		return { revoked, crlNumber: number };
	};
	return {
		async certificates(request, node, by) {
			const selector = selectorOf(request);
			if (selector.by === 'node' && node !== undefined && selector.value !== node) {
				throw new BirthmarkError('forbidden', 'a node can revoke only what belongs to itself');
			}
			const reason: RevocationReason = request.reason ?? 'unspecified';
			const revoked = await store.revoke(selector, node, reason, clock.now(), by);
			if (revoked === undefined) throw new BirthmarkError(selector.by === 'serial' ? 'certificate-unknown' : 'authorization-unknown');
			return answer(revoked);
		},
		async authorization(id, node, by) {
			const revoked = await store.endAuthorization(id, node, clock.now(), by);
			if (revoked === undefined) throw new BirthmarkError('authorization-unknown');
			return answer(revoked);
		},
		async node(name, by) {
			const revoked = await store.cutOffNode(name, clock.now(), by);
			if (revoked === undefined) throw new BirthmarkError('node-unknown');
			return answer(revoked);
		},
		async user(name, by) {
			const revoked = await store.cutOffUser(name, clock.now(), by);
			if (revoked === undefined) throw new BirthmarkError('user-unknown');
			return answer(revoked);
		},
	};
}

function selectorOf({ serial, containerId, commonName, node, authorizationId, startId }: RevokeRequest): RevocationSelector {
	const given: RevocationSelector[] = [];
	if (serial !== undefined) given.push({ by: 'serial', value: serial });
	if (containerId !== undefined) given.push({ by: 'containerId', value: containerId });
	if (commonName !== undefined) given.push({ by: 'commonName', value: commonName });
	if (node !== undefined) given.push({ by: 'node', value: node });
	if (authorizationId !== undefined) given.push({ by: 'authorization', value: authorizationId, ...(startId !== undefined && { startId }) });
	const [selector] = given;
	if (selector === undefined || given.length > 1) {
		throw new BirthmarkError('request-malformed', 'say what to revoke by exactly one of serial, containerId, commonName, node and authorizationId');
	}
	if (startId !== undefined && selector.by !== 'authorization') throw new BirthmarkError('request-malformed', 'startId goes only with authorizationId');
	return selector;
}

/** Revocation: durable in the store, then in the published list, then answered. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { RevocationReason, RevocationsRequest, RevokeAnswer, RevokeRequest } from '#common/protocol/messages.ts';
import type { Actor, IdentityRecord } from '../store/records.ts';
import type { RevocationSelector, Store } from '../store/store.ts';
import type { RevocationLists } from './lists.ts';

export interface RevokeDeps {
	readonly store: Pick<Store, 'revoke' | 'previewRevocation' | 'endAuthorization' | 'cutOffNode' | 'cutOffUser'>;
	readonly lists: Pick<RevocationLists, 'latest'>;
	readonly clock: { now(): Date };
}

export interface Revocation {
	readonly revoked: number;
	/** of a dry run */
	readonly identities?: readonly IdentityRecord[];
}

export interface Revoke {
	/** @param node when given, reaches only what belongs to this node */
	certificates(request: RevokeRequest, node: string | undefined, by: Actor): Promise<Revocation & { readonly crlNumber: number }>;
	/** Each on its own: the results are in the order of the request, an expected failure is one of them. */
	many(request: RevocationsRequest, node: string | undefined, by: Actor): Promise<{
		readonly results: ReadonlyArray<Revocation | { readonly error: BirthmarkError }>;
		readonly crlNumber: number;
	}>;
	/**
	 * The container is gone: nothing can come of its authorization any more. Whoever asks for a list from now on gets one that says so.
	 *
	 * @returns how many certificates were revoked
	 */
	authorization(id: string, node: string | undefined, by: Actor): Promise<number>;
	/** Cuts a node off, with everything that it authorized. */
	node(name: string, by: Actor): Promise<RevokeAnswer>;
	/** Cuts a user off, with everything that its tokens enrolled. */
	user(name: string, by: Actor): Promise<RevokeAnswer>;
}

/** How much a dry run shows. */
const PREVIEW = { one: 100, each: 5 };
/** How many of a list go to the database together, which has connections for others as well. */
const AT_ONCE = 8;

export function createRevoke({ store, lists, clock }: RevokeDeps): Revoke {
	const crlNumber = async (): Promise<number> => (await lists.latest()).number;
	const revoke = async (request: RevokeRequest, node: string | undefined, by: Actor, shown: number): Promise<Revocation> => {
		const selector = selectorOf(request);
		if (selector.by === 'node' && node !== undefined && selector.value !== node) {
			throw new BirthmarkError('forbidden', 'a node can revoke only what belongs to itself');
		}
		const unknown = () => new BirthmarkError(selector.by === 'authorization' ? 'authorization-unknown' : 'certificate-unknown');
		if (request.dryRun) {
			const preview = await store.previewRevocation(selector, node, clock.now(), shown);
			if (!preview) throw unknown();
			return { revoked: preview.count, identities: preview.identities };
		}
		const reason: RevocationReason = request.reason ?? 'unspecified';
		const revoked = await store.revoke(selector, node, reason, clock.now(), by);
		if (revoked === undefined) throw unknown();
		return { revoked };
	};
	return {
		async certificates(request, node, by) {
			const done = await revoke(request, node, by, PREVIEW.one);
			return { ...done, crlNumber: await crlNumber() };
		},
		async many({ revocations, dryRun = false }, node, by) {
			const one = async (request: RevokeRequest): Promise<Revocation | { readonly error: BirthmarkError }> => {
				try {
					return await revoke({ ...request, dryRun }, node, by, PREVIEW.each);
				} catch (error) {
					if (error instanceof BirthmarkError) return { error };
					throw error;
				}
			};
			const results: Awaited<ReturnType<typeof one>>[] = [];
			for (let start = 0; start < revocations.length; start += AT_ONCE) {
				results.push(...await Promise.all(revocations.slice(start, start + AT_ONCE).map(one)));
			}
			return { results, crlNumber: await crlNumber() };
		},
		async authorization(id, node, by) {
			const revoked = await store.endAuthorization(id, node, clock.now(), by);
			if (revoked === undefined) throw new BirthmarkError('authorization-unknown');
			return revoked;
		},
		async node(name, by) {
			const revoked = await store.cutOffNode(name, clock.now(), by);
			if (revoked === undefined) throw new BirthmarkError('node-unknown');
			return { revoked, crlNumber: await crlNumber() };
		},
		async user(name, by) {
			const revoked = await store.cutOffUser(name, clock.now(), by);
			if (revoked === undefined) throw new BirthmarkError('user-unknown');
			return { revoked, crlNumber: await crlNumber() };
		},
	};
}

function selectorOf({ serial, chain, containerId, commonName, node, authorizationId, startId }: RevokeRequest): RevocationSelector {
	const given: RevocationSelector[] = [];
	if (serial !== undefined) given.push({ by: chain ? 'chain' : 'serial', value: serial });
	if (containerId !== undefined) given.push({ by: 'containerId', value: containerId });
	if (commonName !== undefined) given.push({ by: 'commonName', value: commonName });
	if (node !== undefined) given.push({ by: 'node', value: node });
	if (authorizationId !== undefined) given.push({ by: 'authorization', value: authorizationId, ...(startId !== undefined && { startId }) });
	const [selector] = given;
	if (selector === undefined || given.length > 1) {
		throw new BirthmarkError('request-malformed', 'say what to revoke by exactly one of serial, containerId, commonName, node and authorizationId');
	}
	if (startId !== undefined && selector.by !== 'authorization') throw new BirthmarkError('request-malformed', 'startId goes only with authorizationId');
	if (chain !== undefined && serial === undefined) throw new BirthmarkError('request-malformed', 'chain goes only with serial');
	return selector;
}

/** One-time tokens: for the start of an authorized container, and for nodes and operators that join. */

import { createToken, formatToken, secretHash, type TokenKind } from '#common/protocol/token.ts';
import { BirthmarkError } from '#common/protocol/errors.ts';
import type { JoinTokenRequest, MintedToken, MintRequest } from '#common/protocol/messages.ts';
import { checkName } from '#common/protocol/names.ts';
import type { Authorities } from '../issuance/authorities.ts';
import type { Actor } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { checkRules, requireAllowed } from './allow.ts';

export interface MintDeps {
	readonly store: Pick<Store, 'findNode' | 'findAuthorization' | 'mintToken' | 'addJoinToken'>;
	readonly clock: { now(): Date };
	readonly random: (bytes: number) => Uint8Array;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly tokenTtlSeconds: number;
	readonly joinTokenTtlSeconds: number;
}

export interface Mint {
	/**
	 * What was allowed when the container was created must still be allowed when it starts.
	 *
	 * @throws BirthmarkError `authorization-unknown`, `authorization-ended`, `name-not-allowed`
	 */
	startToken(node: string, authorizationId: string, start: MintRequest, by: Actor): Promise<MintedToken>;
	/** @throws BirthmarkError `name-illegal`, `request-malformed` */
	joinToken(request: JoinTokenRequest, by: Actor): Promise<MintedToken>;
}

export function createMint({ store, clock, random, authorities, tokenTtlSeconds, joinTokenTtlSeconds }: MintDeps): Mint {
	const create = (kind: TokenKind, ttlSeconds: number) => {
		const now = clock.now();
		const token = createToken(kind, authorities.current().digest, random);
		return { text: formatToken(token), hash: secretHash(token), now, expiresAt: new Date(now.getTime() + ttlSeconds * 1000) };
	};
	return {
		async startToken(node, authorizationId, start, by) {
			const authorization = await store.findAuthorization(authorizationId);
			if (authorization?.node === node) requireAllowed(authorization, node, (await store.findNode(node))?.allow ?? []);
			const { text, hash, now, expiresAt } = create('container', tokenTtlSeconds);
			const outcome = await store.mintToken({ hash, authorizationId, node, ...start, expiresAt }, now, by);
			switch (outcome) {
				case 'unknown': throw new BirthmarkError('authorization-unknown');
				case 'ended': throw new BirthmarkError('authorization-ended');
				case 'start-closed': throw new BirthmarkError('authorization-ended', 'this start of the container was reported over; a new start needs a startId of its own');
				case 'minted': return { token: text, expiresAt: expiresAt.toISOString() };
			}
		},
		async joinToken({ role, name, allow = [], ttlSeconds = joinTokenTtlSeconds }, by) {
			if (name !== undefined) checkName(role === 'node' ? 'node name' : 'common name', name);
			if (role === 'operator' && name === undefined) throw new BirthmarkError('request-malformed', 'a join token for an operator carries the operator\'s name');
			if (role === 'operator' && allow.length > 0) throw new BirthmarkError('request-malformed', 'allow rules are for nodes; an operator has none');
			const { text, hash, now, expiresAt } = create('join', ttlSeconds);
			await store.addJoinToken({ hash, role, ...(name !== undefined && { name }), allow: checkRules(allow), createdAt: now, expiresAt }, by);
			return { token: text, expiresAt: expiresAt.toISOString() };
		},
	};
}

/**
 * Pollendina's way to authorize: a name and a token that the caller has chosen. What it lacked, whose
 * names these are, comes from the caller's certificate: it is a node, and its allow rules decide.
 */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Authorization } from '#common/protocol/messages.ts';
import { DEFAULT_USER_TOKEN_ROLE } from '#common/protocol/user-token.ts';
import type { Actor, TokenRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Authorize } from './authorize.ts';
import { checkChosenToken, chosenContainerId, chosenTokenHash } from './chosen-token.ts';

/** What stands for the image and the start, of which the CA hears nothing. */
const IMAGE = '(chosen token)';
const START_ID = 'chosen-token';

export interface AuthorizeFormDeps {
	readonly store: Pick<Store, 'findToken' | 'findAuthorization' | 'mintToken'>;
	readonly clock: { now(): Date };
	readonly tokenTtlSeconds: number;
}

export interface AuthorizeForm {
	readonly cn: string;
	readonly token: string;
	/** role */
	readonly ou?: string;
	/** how long the token may wait to be redeemed */
	readonly ttl?: number;
}

/**
 * One token, one authorization: the same name and token again are answered alike, another name under
 * the same token is a conflict. The token's time runs from the first of these calls, also when the
 * token has been forgotten since: it does not begin anew.
 *
 * @returns a function that authorizes for a node
 */
export function createAuthorizeForm(authorize: Authorize, { store, clock, tokenTtlSeconds }: AuthorizeFormDeps) {
	return async (node: string, { cn, token, ou = DEFAULT_USER_TOKEN_ROLE, ttl = tokenTtlSeconds }: AuthorizeForm, by: Actor): Promise<Authorization> => {
		checkChosenToken(token);
		const hash = chosenTokenHash(token);
		const known = await store.findToken(hash);
		const requireOwn = (token: TokenRecord): void => {
			if (token.authorization.node !== node) throw new BirthmarkError('authorization-conflict', 'this token is taken: choose another');
		};
		if (known) requireOwn(known);
		const request = { commonName: cn, organizationalUnit: ou, dnsNames: [], image: IMAGE, containerId: chosenContainerId(token) };
		const authorization = await authorize(node, request, by);
		if (known) return authorization;
		const now = clock.now();
		const { createdAt = now } = (await store.findAuthorization(authorization.id!)) ?? {};
		const expiresAt = new Date(Math.min(createdAt.getTime(), now.getTime()) + ttl * 1000);
		if (expiresAt <= now) throw new BirthmarkError('token-expired', 'this token is past its time: choose another');
		const outcome = await store.mintToken({ hash, authorizationId: authorization.id!, node, startId: START_ID, expiresAt }, now, by).catch(async (error: unknown) => {
			// Twice at once: the other one was first, and it was the same request or another node's.
			const first = await store.findToken(hash);
			if (!first) throw error;
			requireOwn(first);
			return 'minted' as const;
		});
		if (outcome !== 'minted') throw new BirthmarkError('authorization-ended');
		return authorization;
	};
}

/** A node or an operator joins: it redeems a join token and becomes known by name. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { JoinRequest } from '#common/protocol/messages.ts';
import { checkName } from '#common/protocol/names.ts';
import { verifyCsr } from '#common/x509/csr.ts';
import { generationsOf, type Authorities } from '../issuance/authorities.ts';
import { memberIdentity, type Domain } from '../issuance/identity.ts';
import type { Issue } from '../issuance/issue.ts';
import type { Actor, CertificateRecord } from '../store/records.ts';
import { redemptionState } from '../store/redemption.ts';
import type { Store } from '../store/store.ts';
import { readToken, redemptionRefusal } from './redemption-refusal.ts';

export interface JoinDeps {
	readonly store: Pick<Store, 'findJoinToken' | 'redeemJoinToken' | 'findNode'>;
	readonly issue: Issue;
	readonly clock: { now(): Date };
	readonly domain: Domain;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly redemptionWindowSeconds: number;
}

export interface Joined {
	readonly certificate: CertificateRecord;
	/** own certificates of an earlier life of the node that were revoked */
	readonly revoked: number;
}

export type Join = (token: string, request: JoinRequest, by: Actor) => Promise<Joined>;

/** @returns a function that admits one node or operator; like redeeming, it may be repeated and a refusal burns nothing */
export function createJoin({ store, issue, clock, domain, authorities, redemptionWindowSeconds }: JoinDeps): Join {
	return async (tokenText, request, by) => {
		const trust = authorities.current();
		const { hash, bundleDigest } = readToken(tokenText, 'join', trust);
		const token = await store.findJoinToken(hash);
		if (!token) throw redemptionRefusal('unknown');
		if (request.role !== undefined && request.role !== token.role) {
			throw new BirthmarkError('token-wrong-name', `this is a token for ${ARTICLE[token.role]}, not for ${ARTICLE[request.role]}: it was not used up`);
		}
		const csr = verifyCsr(Buffer.from(request.csr));
		const attempt = { publicKeyHash: csr.publicKeyHash, now: clock.now(), generations: generationsOf(trust), windowSeconds: redemptionWindowSeconds };
		const state = redemptionState(token, attempt);
		if (state === 'repeat') return { certificate: token.redeemed!.certificate, revoked: 0 };
		if (state !== 'open') throw redemptionRefusal(state);

		const name = token.name ?? request.name;
		if (name === undefined) throw new BirthmarkError('request-malformed', 'the join token carries no name, so the request has to');
		checkName(token.role === 'node' ? 'node name' : 'common name', name);
		if (token.role === 'node' && token.name === undefined && (await store.findNode(name))) throw nodeExists(name);

		const certificate = await issue({
			identity: memberIdentity(token.role, name, domain),
			key: csr,
			origin: { bundleDigest, ...(token.role === 'node' && { node: name }) },
		});
		const redemption = await store.redeemJoinToken(hash, certificate, attempt, by);
		switch (redemption.outcome) {
			case 'issued': return { certificate: redemption.certificate, revoked: redemption.revoked ?? 0 };
			case 'repeat': return { certificate: redemption.certificate, revoked: 0 };
			case 'node-exists': throw nodeExists(name);
			default: throw redemptionRefusal(redemption.outcome);
		}
	};
}

const ARTICLE = { node: 'a node', operator: 'an operator' } as const;

function nodeExists(name: string): BirthmarkError {
	return new BirthmarkError(
		'node-exists',
		`a node called "${name}" has joined already: choose another name, or, if it is the same host made anew, join with a token that carries the name`,
	);
}

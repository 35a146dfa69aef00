/** A container redeems the token of its start: one token, one certificate. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { quote } from '#common/protocol/names.ts';
import { verifyCsr } from '#common/x509/csr.ts';
import { generationsOf, type Authorities } from '../issuance/authorities.ts';
import { workloadIdentity, type Domain } from '../issuance/identity.ts';
import type { Issue } from '../issuance/issue.ts';
import type { Actor, CertificateRecord } from '../store/records.ts';
import { redemptionState } from '../store/redemption.ts';
import type { Store } from '../store/store.ts';
import { chosenTokenHash, isChosenToken } from './chosen-token.ts';
import { readToken, redemptionRefusal } from './redemption-refusal.ts';

export interface RedeemDeps {
	readonly store: Pick<Store, 'findToken' | 'redeemToken'>;
	readonly issue: Issue;
	readonly clock: { now(): Date };
	readonly domain: Domain;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly redemptionWindowSeconds: number;
}

export type Redeem = (token: string, csr: Buffer, by: Actor) => Promise<CertificateRecord>;

/**
 * The certificate is made before the token is burnt: only the transaction that burns it decides who
 * gets one, and a certificate that loses is forgotten unseen. So a crash at any moment leaves either
 * a token that can be redeemed or a certificate that can be fetched again.
 *
 * @returns a function that turns token and CSR into a certificate; a refusal leaves the token as it was
 */
export function createRedeem({ store, issue, clock, domain, authorities, redemptionWindowSeconds }: RedeemDeps): Redeem {
	return async (tokenText, csrBytes, by) => {
		const trust = authorities.current();
		// Whoever chose the token himself (Pollendina) has compared no bundle by it.
		const { hash, bundleDigest } = isChosenToken(tokenText)
			? { hash: chosenTokenHash(tokenText), bundleDigest: undefined }
			: readToken(tokenText, 'container', trust);
		const token = await store.findToken(hash);
		if (!token) throw redemptionRefusal('unknown');
		const csr = verifyCsr(csrBytes);
		const { authorization, startId } = token;
		if (csr.commonName !== undefined && csr.commonName !== authorization.commonName) {
			throw new BirthmarkError('token-wrong-name', `the token is for "${authorization.commonName}", the request for ${quote(csr.commonName)}; an empty subject will do`);
		}
		const attempt = { publicKeyHash: csr.publicKeyHash, now: clock.now(), generations: generationsOf(trust), windowSeconds: redemptionWindowSeconds };
		// Spares the signature for the many who come too late; what counts is decided below.
		const state = redemptionState(token, attempt);
		if (state === 'repeat') return token.redeemed!.certificate;
		if (state !== 'open') throw redemptionRefusal(state);

		const certificate = await issue({
			identity: workloadIdentity(authorization, domain),
			key: csr,
			lifetimeSeconds: authorization.lifetimeSeconds,
			origin: { node: authorization.node, authorizationId: authorization.id, startId, ...(bundleDigest && { bundleDigest }) },
		});
		const redemption = await store.redeemToken(hash, certificate, attempt, by);
		if (redemption.outcome !== 'issued' && redemption.outcome !== 'repeat') throw redemptionRefusal(redemption.outcome);
		return redemption.certificate;
	};
}

/** Whoever brings a token that a user signed gets a certificate, within what that user may name: one token, one certificate. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { checkDnsName, checkName, quote } from '#common/protocol/names.ts';
import { verifyCsr } from '#common/x509/csr.ts';
import { generationsOf, type Authorities } from '../issuance/authorities.ts';
import { workloadIdentity, type Domain } from '../issuance/identity.ts';
import type { Issue } from '../issuance/issue.ts';
import type { Actor, CertificateRecord } from '../store/records.ts';
import { usedTokenState } from '../store/redemption.ts';
import type { Store } from '../store/store.ts';
import { requireUserAllowed } from './allow.ts';
import { redemptionRefusal } from './redemption-refusal.ts';
import { verifyUserToken } from './user-token.ts';

export interface EnrolUserDeps {
	readonly store: Pick<Store, 'findUser' | 'findTokenUse' | 'redeemUserToken'>;
	readonly issue: Issue;
	readonly clock: { now(): Date };
	readonly domain: Domain;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly redemptionWindowSeconds: number;
	readonly userTokens: { readonly maximumSeconds: number; readonly skewSeconds: number };
}

/**
 * As with the CA's own tokens the certificate is made first, and the transaction that burns the
 * token's `jti` decides who gets one. The same token with the same key within the redemption window
 * gets the same certificate again.
 *
 * @returns a function that turns such a token and a CSR into a certificate; a refusal burns nothing
 */
export function createEnrolUser({ store, issue, clock, domain, authorities, redemptionWindowSeconds, userTokens }: EnrolUserDeps) {
	return async (tokenText: string, csrBytes: Buffer, by: Actor): Promise<CertificateRecord> => {
		const now = clock.now();
		const trust = authorities.current();
		const { user, claims, isExpired } = await verifyUserToken(tokenText, { findUser: (name) => store.findUser(name), trust, now, ...userTokens });
		const names = {
			commonName: checkName('common name', claims.sub),
			organizationalUnit: checkName('role', claims.ou),
			dnsNames: [...new Set(claims.dns.map(checkDnsName))].filter((name) => name !== claims.sub),
		};
		const csr = verifyCsr(csrBytes);
		if (csr.commonName !== undefined && csr.commonName !== names.commonName) {
			throw new BirthmarkError('token-wrong-name', `the token is for "${names.commonName}", the request for ${quote(csr.commonName)}; an empty subject will do`);
		}
		const attempt = { publicKeyHash: csr.publicKeyHash, now, generations: generationsOf(trust), windowSeconds: redemptionWindowSeconds };
		const use = await store.findTokenUse(user.name, claims.jti);
		if (use) {
			const state = usedTokenState(use, attempt);
			if (state === 'repeat') return use.certificate;
			throw redemptionRefusal(state);
		}
		if (isExpired) throw new BirthmarkError('token-expired', 'the token is past its time');
		requireUserAllowed(names, user.name, user.allow);
		const certificate = await issue({
			identity: workloadIdentity(names, domain),
			key: csr,
			// The agent pinned with it, so this is the bundle that it uses.
			origin: { userName: user.name, bundleDigest: Buffer.from(claims.aud, 'hex') },
		});
		const claim = { user: user.name, publicKey: user.publicKey, jti: claims.jti, issuedAt: new Date(claims.iat * 1000), expiresAt: new Date(claims.exp * 1000) };
		const redemption = await store.redeemUserToken(claim, certificate, attempt, by);
		switch (redemption.outcome) {
			case 'issued':
			case 'repeat': return redemption.certificate;
			case 'cut-off': throw new BirthmarkError('token-invalid', 'the user who signed the token has been cut off, or has another key now');
			default: throw redemptionRefusal(redemption.outcome);
		}
	};
}

export type EnrolUser = ReturnType<typeof createEnrolUser>;

/** When a token may be redeemed: one rule for all kinds and for every backend. */

import type { AuthorizationRecord, Redeemed } from './records.ts';

/**
 * `open`: nobody has redeemed it. `repeat`: the same request again within the window, which gets
 * the same certificate. The others are refusals.
 */
export type RedemptionState = 'open' | 'repeat' | 'used' | 'expired' | 'revoked' | 'ended';

export interface Redeemable {
	readonly expiresAt: Date;
	/** whatever the clock says: an attempt may have begun before, and clocks are set back */
	readonly cancelled: boolean;
	readonly redeemed?: Redeemed;
	readonly authorization?: Pick<AuthorizationRecord, 'endedAt'>;
	readonly startClosed?: boolean;
}

export interface RedemptionAttempt {
	/** SHA-256 over the SubjectPublicKeyInfo of the CSR */
	readonly publicKeyHash: Buffer;
	readonly now: Date;
	/**
	 * those in use as far as this instance knew when it found the token's trust bundle good; one that is
	 * not any more makes it look again, because its root may have been the only one in that bundle
	 */
	readonly generations: readonly number[];
	/** how long the same token with the same key gets the same certificate again */
	readonly windowSeconds: number;
}

export function redemptionState(token: Redeemable, attempt: RedemptionAttempt): RedemptionState {
	const { redeemed } = token;
	if (token.authorization?.endedAt || token.startClosed) return 'ended';
	if (!redeemed) return !token.cancelled && token.expiresAt > attempt.now ? 'open' : 'expired';
	return usedTokenState(redeemed, attempt);
}

/** The same for a token that was redeemed, of which the store knows nothing else. */
export function usedTokenState({ at, certificate }: Redeemed, { publicKeyHash, now, windowSeconds }: RedemptionAttempt): Extract<RedemptionState, 'repeat' | 'used' | 'revoked'> {
	const repeated = certificate.publicKeyHash.equals(publicKeyHash) && now.getTime() - at.getTime() <= windowSeconds * 1000;
	if (!repeated) return 'used';
	return certificate.revokedAt ? 'revoked' : 'repeat';
}

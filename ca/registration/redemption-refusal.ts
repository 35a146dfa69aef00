/** Why a token is not good for a certificate, as an error that tells what to do. */

import { timingSafeEqual } from 'node:crypto';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { parseToken, secretHash, type TokenKind } from '#common/protocol/token.ts';
import type { TrustState } from '../issuance/authorities.ts';
import type { Redemption } from '../store/store.ts';
import { UnknownBundleError } from './unknown-bundle.ts';

/**
 * @param text as the client sent it
 * @returns what the store knows the token by, and which trust bundle its holder has therefore compared
 * @throws BirthmarkError `token-malformed`; UnknownBundleError when it is for a trust bundle that is not, or no longer, this CA's
 */
export function readToken(text: string, kind: TokenKind, { acceptedDigests }: Pick<TrustState, 'acceptedDigests'>): { readonly hash: Buffer; readonly bundleDigest: Buffer } {
	const token = parseToken(text, kind);
	if (!acceptedDigests.some((digest) => timingSafeEqual(token.bundleDigest, digest))) {
		throw new UnknownBundleError();
	}
	return { hash: secretHash(token), bundleDigest: token.bundleDigest };
}

export function redemptionRefusal(outcome: Exclude<Redemption['outcome'], 'issued' | 'repeat'>): BirthmarkError {
	switch (outcome) {
		case 'unknown': return new BirthmarkError('token-unknown');
		case 'used': return new BirthmarkError('token-used', 'the token was redeemed already; it is good for one key, and for a short time');
		case 'expired': return new BirthmarkError('token-expired', 'the token is past its time, or a newer one has taken its place');
		case 'revoked': return new BirthmarkError('certificate-revoked', 'the certificate of this token was revoked');
		case 'ended': return new BirthmarkError('authorization-ended', 'the start of the container that this token was made for is over; its next start brings a new token');
	}
}

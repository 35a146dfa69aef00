/** The client's side of a connection: what it shows, and how it knows the server. */

import { checkServerIdentity, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import type { Identity } from './identity.ts';
import { createCheck, type PeerMatcher } from './matcher.ts';
import { partyOf } from './party.ts';

export interface PeerOptions {
	/** whom the server must be, instead of the host name that it is called by; one of them */
	readonly peer?: PeerMatcher | readonly PeerMatcher[];
}

/** As `tls.connect` wants it: an error for a server that is another one. Called for chains that were verified. */
export type ServerCheck = (hostname: string, certificate: PeerCertificate) => Error | undefined;

/** @throws BirthmarkError `usage` for a matcher that would accept everybody, or nobody */
export function serverCheck(peer: PeerOptions['peer']): ServerCheck {
	if (peer === undefined) return checkServerIdentity;
	const check = createCheck(Array.isArray(peer) ? (peer as readonly PeerMatcher[]) : [peer as PeerMatcher]);
	return (_, certificate) => {
		try {
			check(partyOf(new X509Certificate(certificate.raw)));
			return undefined;
		} catch (error) {
			return error as Error;
		}
	};
}

export function clientOptions(watch: { requireValid(): Identity }, checkServerIdentity: ServerCheck): ConnectionOptions {
	return { secureContext: watch.requireValid().secureContext, checkServerIdentity, rejectUnauthorized: true };
}

/** What the CA remembers of itself: its generations and the trust bundles that it has published. */

import type { Role } from '#common/protocol/messages.ts';

/**
 * `prepared`: in the bundle, issues nothing yet. `active`: issues everything; there is exactly one.
 * `retiring`: issues nothing any more, its certificates are alive. `retired` and `aborted`: out of the
 * bundle, without keys. `void`: compromised, or left behind before that; all its certificates are revoked.
 */
export type AuthorityState = 'prepared' | 'active' | 'retiring' | 'retired' | 'aborted' | 'void';

/** One generation: an intermediate and the root that it is under. Certificates and lists PEM; private keys PKCS#8, encrypted, PEM. */
export interface AuthorityRecord {
	readonly generation: number;
	readonly state: AuthorityState;
	/** its rotation goes on only when an operator says so */
	readonly isManual: boolean;
	readonly root: string;
	/** absent when it is kept off line or was destroyed */
	readonly rootKey?: string;
	/** the root's key and name under the root before it */
	readonly crossCertificate?: string;
	readonly intermediate: string;
	/** absent when it was destroyed */
	readonly intermediateKey?: string;
	/** the root's list of revoked CA certificates */
	readonly rootRevocationList: string;
	readonly createdAt: Date;
	/** when it came into its state */
	readonly changedAt: Date;
}

export interface BundleRecord {
	/** SHA-256 over {@link bundle} */
	readonly digest: Buffer;
	/** PEM, these exact bytes */
	readonly bundle: string;
	readonly publishedAt: Date;
}

export interface TrustRecord {
	/** 0 as long as there is no CA; every change makes it one more */
	readonly version: number;
	/** by generation; none is ever forgotten */
	readonly authorities: readonly AuthorityRecord[];
	/** every bundle that was ever published */
	readonly bundles: readonly BundleRecord[];
}

/** Whom the next step of a rotation would cut off. */
export interface CutOff {
	/** whoever is not known to trust one of the bundles with these digests */
	readonly withoutBundle?: readonly Buffer[];
	/** whoever uses a certificate of these generations */
	readonly underOld?: readonly number[];
}

/** A change of the trust, and what it brings down with it. */
export interface TrustChange {
	/** based on the version before */
	readonly next: TrustRecord;
	/** for the audit log: `rotation.start` */
	readonly action: string;
	readonly at: Date;
	/** their certificates are revoked, and every token that waits is cancelled, those that users have signed among them */
	readonly voided?: readonly number[];
	/** it is not made while there is one of these */
	readonly unless?: CutOff;
	readonly details?: Readonly<Record<string, string | number | boolean>>;
}

/** Who keeps a rotation from going on. */
export interface Laggards {
	readonly count: number;
	/** the first few, oldest first */
	readonly first: ReadonlyArray<{ readonly role: Role; readonly commonName: string; readonly serial: string; readonly notAfter: Date }>;
	/** when the last of them will have expired */
	readonly lastNotAfter?: Date;
}

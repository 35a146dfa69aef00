/** What the CA remembers, as its other parts see it; how it is kept is the business of a backend. */

import type { Names, ReloadReport, RevocationReason, Role, WorkloadProfile } from '#common/protocol/messages.ts';
import type { UserTokenAlgorithm } from '#common/protocol/user-token.ts';

/** Who brought a decision about: what an audit event says of it. */
export interface Actor {
	/** `anonymous`: whoever brings a token; `system`: the CA of its own accord */
	readonly role: Exclude<Role, 'ca'> | 'external' | 'anonymous' | 'system';
	/** of a certificate; empty for the anonymous */
	readonly name: string;
	/** the address it called from, or `admin-socket` */
	readonly source?: string;
}

/** The CA itself: its own certificates, and what is due by time. */
export const SYSTEM: Actor = { role: 'system', name: 'ca' };

/** One decision. Never a secret, nor anything that somebody could make long. */
export interface AuditEvent {
	readonly at: Date;
	/** what was decided, as `noun.verb`: `certificate.issue` */
	readonly action: string;
	readonly outcome: 'done' | 'refused';
	/** what it was about: a serial number, the name of a node, the id of an authorization */
	readonly subject?: string;
	readonly details?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

export interface CertificateRecord extends Names {
	/** 32 hexadecimal digits */
	readonly serial: string;
	readonly der: Buffer;
	/** SHA-256 over the SubjectPublicKeyInfo */
	readonly publicKeyHash: Buffer;
	readonly role: Role;
	readonly organization: string;
	readonly spiffeId: string;
	/** the node it was authorized by; a node's own name for its own certificates */
	readonly node?: string;
	readonly authorizationId?: string;
	readonly startId?: string;
	/** who signed the token that it was enrolled with */
	readonly userName?: string;
	/** the entry of `cfssl.clients` that it was issued for */
	readonly cfsslClient?: string;
	/** what leads from it to a root, PEM, when another CA has issued it */
	readonly intermediates?: string;
	/** serial of the certificate that this chain of renewals began with; its own for an enrolment */
	readonly chain: string;
	/** serial of the certificate that it renews */
	readonly parentSerial?: string;
	readonly renewals: number;
	/** which of the CA's authorities signed it */
	readonly issuerGeneration: number;
	/** whose list its distribution point names; 0 without one */
	readonly crlPartition: number;
	/** of the trust bundle that its holder used when it was issued, as far as it is known */
	readonly bundleDigest?: Buffer;
	readonly issuedAt: Date;
	readonly notBefore: Date;
	readonly notAfter: Date;
	readonly revokedAt?: Date;
	readonly revocationReason?: RevocationReason;
}

/** A certificate with what is known of the container it was issued to. */
export interface IdentityRecord extends CertificateRecord {
	/** grows with every certificate that is issued */
	readonly sequence: number;
	readonly containerId?: string;
	readonly containerName?: string;
	readonly image?: string;
	readonly imageId?: string;
	/** the last of this chain of renewals up to this certificate */
	readonly reload?: ReloadRecord;
}

/** What became of a certificate with the application that is to serve it. */
export interface ReloadRecord extends ReloadReport {
	readonly serial: string;
	readonly at: Date;
	/** the last that it was seen to serve, and when */
	readonly verifiedSerial?: string;
	readonly verifiedAt?: Date;
}

/** Someone who signs tokens with a key of their own. */
export interface UserRecord {
	readonly name: string;
	/** SubjectPublicKeyInfo, PEM */
	readonly publicKey: string;
	/** the only one that its tokens may use */
	readonly algorithm: UserTokenAlgorithm;
	/** `cn-pattern/ou-pattern` */
	readonly allow: readonly string[];
	readonly status: 'active' | 'cut-off';
	readonly createdAt: Date;
}

export interface NodeRecord {
	readonly name: string;
	readonly status: 'active' | 'cut-off';
	/** `cn-pattern/ou-pattern` */
	readonly allow: readonly string[];
	readonly joinedAt: Date;
}

export interface AuthorizationRecord extends Names {
	/** `workload` when absent */
	readonly profile?: WorkloadProfile;
	readonly id: string;
	readonly node: string;
	readonly containerId: string;
	readonly containerName?: string;
	readonly image: string;
	readonly imageId?: string;
	readonly lifetimeSeconds: number;
	readonly createdAt: Date;
	/** set when the container is gone or its node was cut off */
	readonly endedAt?: Date;
}

/** What became of a token that was redeemed. */
export interface Redeemed {
	readonly at: Date;
	readonly certificate: CertificateRecord;
}

export interface JoinTokenRecord {
	/** the only trace of the token, see `secretHash` */
	readonly hash: Buffer;
	readonly role: 'node' | 'operator';
	readonly name?: string;
	readonly allow: readonly string[];
	readonly createdAt: Date;
	readonly expiresAt: Date;
	/** its node was cut off before it was redeemed */
	readonly cancelled: boolean;
	readonly redeemed?: Redeemed;
}

export interface TokenRecord {
	readonly hash: Buffer;
	readonly authorization: AuthorizationRecord;
	readonly startId: string;
	readonly expiresAt: Date;
	/** a newer token or a revocation came before it was redeemed */
	readonly cancelled: boolean;
	/** this start was closed by a revocation; its token is worth nothing any more */
	readonly startClosed: boolean;
	readonly redeemed?: Redeemed;
}

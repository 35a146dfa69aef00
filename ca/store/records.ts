/** What the CA remembers, as its other parts see it; how it is kept is the business of a backend. */

import type { Names, RevocationReason, Role } from '#common/protocol/messages.ts';

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
	/** serial of the certificate that this chain of renewals began with; its own for an enrolment */
	readonly chain: string;
	/** serial of the certificate that it renews */
	readonly parentSerial?: string;
	readonly renewals: number;
	readonly issuedAt: Date;
	readonly notBefore: Date;
	readonly notAfter: Date;
	readonly revokedAt?: Date;
	readonly revocationReason?: RevocationReason;
}

/** A certificate with what is known of the container it was issued to. */
export interface IdentityRecord extends CertificateRecord {
	readonly containerId?: string;
	readonly containerName?: string;
	readonly image?: string;
	readonly imageId?: string;
}

export interface NodeRecord {
	readonly name: string;
	readonly status: 'active' | 'cut-off';
	/** `cn-pattern/ou-pattern` */
	readonly allow: readonly string[];
	readonly joinedAt: Date;
}

export interface AuthorizationRecord extends Names {
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

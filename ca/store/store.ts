/**
 * The store in the words of the CA: each method is one decision, taken and made durable in one
 * transaction, so that any number of callers and of CA instances may try at once. What a method
 * has answered survives the end of the process at any moment.
 *
 * Asking twice does no harm, which is what a caller does who was told `ca-unavailable` and cannot know
 * whether it happened: a token with the same key gets the certificate that it got, a renewal to the
 * same key too, an authorization is found as it is, what was revoked, ended or cut off stays so, rules
 * are set to the same; a token whose minting was not answered is known to nobody and runs out.
 *
 * What changes something takes last by whom, and leaves an audit event in the same transaction.
 * Consumers pick the methods they use.
 */

import type { AuditHead, AuditRecord } from '#common/protocol/audit-chain.ts';
import type { ReloadReport, RevocationReason } from '#common/protocol/messages.ts';
import type { RevokedCertificate } from '#common/x509/crl.ts';
import type { Actor, AuditEvent, AuthorizationRecord, CertificateRecord, IdentityRecord, JoinTokenRecord, NodeRecord, Redeemed, TokenRecord, UserRecord } from './records.ts';
import type { RedemptionAttempt, RedemptionState } from './redemption.ts';
import type { Laggards, TrustChange, TrustRecord } from './trust-records.ts';

/** `issued`: the certificate that was brought is now the one of this token. `repeat`: an earlier one is, and is returned. */
export type Redemption =
	| { readonly outcome: 'issued' | 'repeat'; readonly certificate: CertificateRecord }
	| { readonly outcome: 'unknown' | Exclude<RedemptionState, 'open' | 'repeat'> };

export type JoinRedemption = Redemption & { readonly revoked?: number } | { readonly outcome: 'node-exists' };

/** `existing`: under the same names; `conflict`: under others; `cut-off`: the node is. */
export type AuthorizeOutcome =
	| { readonly outcome: 'created' | 'existing' | 'conflict' | 'ended'; readonly authorization: AuthorizationRecord }
	| { readonly outcome: 'cut-off' };

export interface NewToken {
	readonly hash: Buffer;
	readonly authorizationId: string;
	/** whose authorization it has to be */
	readonly node: string;
	readonly startId: string;
	/** of the container from now on */
	readonly containerName?: string;
	readonly expiresAt: Date;
}

export interface NodeStore {
	addJoinToken(token: Omit<JoinTokenRecord, 'cancelled' | 'redeemed'>, by: Actor): Promise<void>;
	findJoinToken(hash: Buffer): Promise<JoinTokenRecord | undefined>;
	/**
	 * Burns the token for the certificate. For a node it also admits the node, or, when the token
	 * carries the name of a node that exists, replaces its allow list and revokes its own earlier
	 * certificates as superseded: `revoked` of them.
	 */
	redeemJoinToken(hash: Buffer, certificate: CertificateRecord, attempt: RedemptionAttempt, by: Actor): Promise<JoinRedemption>;
	findNode(name: string): Promise<NodeRecord | undefined>;
	/** by name, with the number of live workload certificates */
	listNodes(now: Date): Promise<ReadonlyArray<NodeRecord & { readonly liveIdentities: number }>>;
	/**
	 * Two changes at once come one after the other.
	 *
	 * @param change pure; what it throws is thrown
	 * @returns the rules from now on; undefined when there is no such node
	 */
	changeAllow(node: string, change: (before: readonly string[]) => readonly string[], now: Date, by: Actor): Promise<readonly string[] | undefined>;
	/**
	 * Marks the node, ends all its authorizations, revokes its own certificates and all it authorized,
	 * cancels the join tokens that carry its name.
	 *
	 * @returns how many were revoked; undefined when there is no such node
	 */
	cutOffNode(node: string, now: Date, by: Actor): Promise<number | undefined>;
}

export interface AuthorizationStore {
	/** One per node and container: an earlier one with the same names is returned as it is. */
	authorize(authorization: AuthorizationRecord, by: Actor): Promise<AuthorizeOutcome>;
	/** Cancels every unredeemed token of the authorization and adds this one. */
	mintToken(token: NewToken, now: Date, by: Actor): Promise<'minted' | 'unknown' | 'ended' | 'start-closed'>;
	findToken(hash: Buffer): Promise<TokenRecord | undefined>;
	redeemToken(hash: Buffer, certificate: CertificateRecord, attempt: RedemptionAttempt, by: Actor): Promise<Redemption>;
	findAuthorization(id: string): Promise<AuthorizationRecord | undefined>;
	/**
	 * Ends it for good and revokes its certificates (cessationOfOperation); again is no error.
	 *
	 * @param node when given, only an authorization of this node
	 * @returns how many certificates were revoked; undefined when there is none of that id
	 */
	endAuthorization(id: string, node: string | undefined, now: Date, by: Actor): Promise<number | undefined>;
	/** Forgets tokens that nobody can redeem any more, not even again. */
	forgetTokens(expiredBefore: Date): Promise<void>;
}

export interface CertificateStore {
	/** Adding one, here and everywhere else, fails with `csr-key-compromised` for a key that was revoked as compromised. */
	addCertificate(certificate: CertificateRecord, by: Actor): Promise<void>;
	findCertificate(serial: string): Promise<CertificateRecord | undefined>;
	/** any certificate over this key */
	findCertificateByKey(publicKeyHash: Buffer): Promise<CertificateRecord | undefined>;
	/** Adds a renewal unless, meanwhile, its parent was revoked, its authorization ended or its key was certified. */
	addRenewal(certificate: CertificateRecord, by: Actor): Promise<'added' | 'revoked' | 'ended' | 'key-reused'>;
	/** the newest first */
	listIdentities(filter: IdentityFilter): Promise<readonly IdentityRecord[]>;
}

export interface IdentityFilter {
	readonly now: Date;
	/** only those that this node authorized, and its own */
	readonly node?: string;
	/** also the revoked, the expired, and those that a renewal has replaced */
	readonly all: boolean;
	/** a serial number or a common name; then all that match */
	readonly match?: string;
	readonly limit: number;
	/** only those that were issued before the one of this {@link IdentityRecord.sequence} */
	readonly after?: number;
}

/** Exactly one way to say what is revoked. */
export type RevocationSelector =
	/** `chain`: everything that this serial number renewed, or that renewed it */
	| { readonly by: 'serial' | 'chain' | 'containerId' | 'commonName' | 'node'; readonly value: string }
	| { readonly by: 'authorization'; readonly value: string; readonly startId?: string };

export interface RevocationStore {
	/**
	 * Revokes the live certificates that match, and those that seem to have ended not long ago, and cancels the unredeemed tokens of the same
	 * containers. A start that is named is closed: its token cannot be redeemed afterwards. With
	 * `keyCompromise` no other certificate over the same keys stays valid, and none is ever added again.
	 *
	 * @param node when given, reaches only what belongs to this node
	 * @returns how many live ones this call revoked; undefined when a serial or authorization does not exist there
	 */
	revoke(selector: RevocationSelector, node: string | undefined, reason: RevocationReason, now: Date, by: Actor): Promise<number | undefined>;
	/** What {@link revoke} would revoke now, the newest of it in full; undefined as there. */
	previewRevocation(selector: RevocationSelector, node: string | undefined, now: Date, limit: number): Promise<RevocationPreview | undefined>;
}

/** Exactly one way to say whose certificates are to be renewed. */
export type DemandSelector =
	/** `serial`: the one in use of the chain of renewals that this serial number belongs to */
	| { readonly by: 'serial' | 'containerId' | 'commonName' | 'node'; readonly value: string }
	| { readonly by: 'all' };

export interface DemandProgress {
	readonly number: number;
	readonly renewed: number;
	readonly pending: number;
	/** ended or were revoked without being renewed */
	readonly over: number;
	/** the first of those that were not renewed */
	readonly notRenewed: readonly IdentityRecord[];
}

export interface DemandStore {
	/** Demands that the certificates of workloads that are in use and match are renewed. @returns its number, which grows with each demand, and how many they are */
	demandRenewal(selector: DemandSelector, now: Date, by: Actor): Promise<{ readonly number: number; readonly demanded: number }>;
	lastDemand(): Promise<number>;
	/** What is still to be renewed of what was demanded after the one of this number, and was authorized by this node. */
	listDemands(node: string, after: number, now: Date): Promise<ReadonlyArray<{ readonly serial: string; readonly authorizationId: string }>>;
	/** Whether this certificate was ever demanded to be renewed. */
	isRenewalDemanded(serial: string): Promise<boolean>;
	/** @param limit of those that were not renewed @returns undefined when there was no such demand */
	demandProgress(number: number, now: Date, limit: number): Promise<DemandProgress | undefined>;
	/** Revokes what was replaced since this demand for it, as superseded. @returns how many */
	revokeReplaced(number: number, now: Date, by: Actor): Promise<number>;
}

export interface RevocationPreview {
	readonly count: number;
	readonly identities: readonly IdentityRecord[];
}

/** Which list: of one issuer, everything (partition 0) or one partition of what it issued. */
export interface ListScope {
	readonly generation: number;
	readonly partition: number;
}

export interface ListRecord {
	readonly number: number;
	/** counts revocations: the list has all up to this one */
	readonly version: number;
	readonly thisUpdate: Date;
	readonly nextUpdate: Date;
	/** absent when the caller has the list of this number */
	readonly der?: Buffer;
}

export interface RevocationListStore {
	/**
	 * The list that is published, and which version it has to have to cover everything that was revoked until now.
	 *
	 * @param known number of the list that the caller has, null without one
	 */
	findRevocationList(scope: ListScope, known: number | null): Promise<{ readonly needed: number; readonly list?: ListRecord }>;
	/**
	 * Takes the next CRL number for good, with what has to be in that list: every certificate in its scope
	 * that ends after `endsAfter`, unless it had ended when it was revoked and the clock was not ahead then.
	 */
	nextRevocationList(scope: ListScope, endsAfter: Date, now: Date): Promise<{ readonly number: number; readonly version: number; readonly entries: readonly RevokedCertificate[] }>;
	/** Takes the next CRL number for good, for a list that is kept elsewhere: a root's own. */
	takeListNumber(): Promise<number>;
	/** Puts it in the place of the one before, unless that has a higher number. */
	publishRevocationList(list: ListScope & Required<ListRecord>): Promise<void>;
	/**
	 * The partition for what this issuer issues next: another one when so many certificates were issued
	 * since it was opened, or when it was opened for another address.
	 *
	 * @param url where its list will be found is below this, which goes into the certificates
	 * @returns its number, from 1
	 */
	openPartition(generation: number, url: string, size: number): Promise<number>;
	findPartition(partition: number): Promise<{ readonly generation: number; readonly url: string } | undefined>;
}

/** One token that a user signed. */
export interface UserTokenClaim {
	readonly user: string;
	/** what its signature was verified with */
	readonly publicKey: string;
	readonly jti: string;
	readonly issuedAt: Date;
	readonly expiresAt: Date;
}

export interface UserStore {
	/** Adds a user, takes back one that was cut off, or changes the rules of one with this very key. */
	putUser(user: UserRecord, by: Actor): Promise<'put' | 'exists'>;
	findUser(name: string): Promise<UserRecord | undefined>;
	/** by name, with the number of live certificates */
	listUsers(now: Date): Promise<ReadonlyArray<UserRecord & { readonly liveIdentities: number }>>;
	/** @returns false when there is no such user */
	setUserAllow(name: string, allow: readonly string[], now: Date, by: Actor): Promise<boolean>;
	/**
	 * Marks the user and revokes all that it enrolled.
	 *
	 * @returns how many were revoked; undefined when there is no such user
	 */
	cutOffUser(name: string, now: Date, by: Actor): Promise<number | undefined>;
	/** What became of a token, by its `jti`. */
	findTokenUse(user: string, jti: string): Promise<Redeemed | undefined>;
	/** Burns the `jti` for the certificate, unless the user was cut off or has another key by now. */
	redeemUserToken(claim: UserTokenClaim, certificate: CertificateRecord, attempt: RedemptionAttempt, by: Actor): Promise<Redemption | { readonly outcome: 'cut-off' }>;
	/** Forgets the use of tokens that have expired before this. None of them is good again, whatever the clock says later. */
	forgetTokenUses(expiredBefore: Date): Promise<void>;
}

export interface TrustStore {
	/** Grows with every change of what {@link readTrust} returns. */
	trustVersion(): Promise<number>;
	readTrust(): Promise<TrustRecord>;
	/**
	 * Takes the place of the version before, unless somebody else was first or would be cut off. Whatever
	 * is issued at the same moment is there before it looks, or is issued under the changed trust.
	 *
	 * @returns how many certificates it revoked; nothing was changed when it is undefined (somebody else was first) or `waits`
	 */
	changeTrust(change: TrustChange, by: Actor): Promise<number | 'waits' | undefined>;
	/** The holder of this chain of renewals trusts the bundle of that digest. */
	acknowledgeBundle(chain: string, digest: Buffer, now: Date): Promise<void>;
	/**
	 * Live identities of which it is not known that they trust one of these bundles.
	 *
	 * @param atMost stops when it has counted so many: to know whether there is one is far less work than to know how many
	 */
	listWithoutBundle(digests: readonly Buffer[], now: Date, atMost?: number): Promise<Laggards>;
	/**
	 * Whose certificates of these generations are in use: of workloads every live one, which an
	 * application may have read long ago; of nodes and operators only the newest of a chain.
	 */
	listIssuedBy(generations: readonly number[], now: Date, atMost?: number): Promise<Laggards>;
}

export interface ReloadStore {
	/** The application of this certificate's holder has got so far with it. A report about an older certificate changes nothing. */
	putReload(certificate: Pick<CertificateRecord, 'chain' | 'serial' | 'renewals'>, report: ReloadReport, now: Date): Promise<void>;
	/** How many live identities there are by the outcome that was reported last; those that report nothing are in none. */
	countReloads(now: Date): Promise<ReadonlyMap<string, number>>;
}

export interface RetentionStore {
	/**
	 * Forgets certificates that ended before this instant, and authorizations and join tokens that were over by then.
	 *
	 * @param limit of each kind; as many mean that there may be more
	 * @returns how many
	 */
	forgetExpired(before: Date, limit: number): Promise<number>;
}

export interface AuditStore {
	/** An event that belongs to no change: a refusal, for one. */
	addEvent(by: Actor, event: AuditEvent): Promise<void>;
	/**
	 * Moves events that wait into the chain, oldest first, and one instance at a time.
	 *
	 * @param limit at most so many
	 * @returns how many, and the head afterwards
	 */
	sealEvents(limit: number): Promise<{ readonly sealed: number; readonly head: AuditHead }>;
	auditHead(): Promise<AuditHead>;
	/** Records of the chain with a higher number than `after`, in their order. */
	listAudit(after: number, limit: number): Promise<readonly AuditRecord[]>;
	/** how many events wait to be sealed */
	countPendingEvents(): Promise<number>;
}

/** How many live identities of a role there are, and how many of them end within each of the spans that were asked about. */
export interface IdentityCount {
	readonly role: string;
	readonly live: number;
	readonly ending: readonly number[];
}

export interface StatisticsStore {
	/** how many calls wait for the database now */
	waiting(): number;
	/** Looks at every live certificate: not for often. */
	countIdentities(now: Date, withinSeconds: readonly number[]): Promise<readonly IdentityCount[]>;
}

export interface Store extends NodeStore, AuthorizationStore, CertificateStore, RevocationStore, DemandStore, RevocationListStore, TrustStore, ReloadStore, UserStore, AuditStore, RetentionStore, StatisticsStore {
	/** Does a real read and a real write; rejects when the store cannot do its work. */
	check(): Promise<void>;
	close(): Promise<void>;
}

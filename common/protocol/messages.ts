/**
 * The messages between plugin, agent, CLI and CA, as types. `docs/api.md` describes the routes.
 * All instants are RFC 3339 strings in UTC. The CA checks what it receives against
 * `ca/http/schemas.ts`; unknown keys are refused.
 */

import type { AuditHead, AuditRecord } from './audit-chain.ts';
import type { UserTokenAlgorithm } from './user-token.ts';

/** The DNS name in the CA's own server certificate; clients ask for it whatever address they dialled. */
export const CA_SERVER_NAME = 'birthmark-ca';
/** Pollendina's and Symbios's port, kept. */
export const CA_DEFAULT_PORT = 33004;
export const PEM_CHAIN_CONTENT_TYPE = 'application/pem-certificate-chain'; // RFC 8555 §9.1
export const CSR_CONTENT_TYPE = 'application/pkcs10'; // RFC 5967
export const CRL_CONTENT_TYPE = 'application/pkix-crl'; // RFC 2585 §4.2
/** Request header of whoever renews: SHA-256 of the trust bundle in use, hexadecimal. */
export const BUNDLE_HEADER = 'Birthmark-Bundle';
/** A PEM CSR with an RSA-4096 key is under 2 KiB. */
export const MAX_CSR_BYTES = 8 * 1024;
export const MAX_JSON_BYTES = 16 * 1024;
/** Each is a transaction, and all of them are to be done before the client's patience ends. */
export const MAX_REVOCATIONS = 500;
export const MAX_REVOCATIONS_BYTES = 256 * 1024;

/** Who a certificate belongs to; stored with it, decided by the CA alone. */
export type Role = 'workload' | 'node' | 'operator' | 'ca';
/** CRLReason (RFC 5280 §5.3.1) as far as it is used for leaves. */
export type RevocationReason = 'unspecified' | 'keyCompromise' | 'cACompromise' | 'affiliationChanged' | 'superseded' | 'cessationOfOperation' | 'privilegeWithdrawn';

/** What a container's certificates are for: servers and clients at once, or clients only. */
export const WORKLOAD_PROFILES = ['workload', 'client'] as const;
export type WorkloadProfile = (typeof WORKLOAD_PROFILES)[number];

/** The names of one identity. */
export interface Names {
	/** CN, the service instance */
	readonly commonName: string;
	/** OU, its role */
	readonly organizationalUnit: string;
	/** DNS subject alternative names beside the CN */
	readonly dnsNames: readonly string[];
}

/** `POST /v1/authorize` (node). With `dryRun` nothing is stored and `containerId` may be absent. */
export interface AuthorizeRequest extends Names {
	readonly dryRun?: boolean;
	/** 64 hexadecimal digits */
	readonly containerId?: string;
	/** the container's name as the engine shows it, without the slash */
	readonly containerName?: string;
	/** the image as it was asked for, e.g. `nginx:1` */
	readonly image: string;
	/** `sha256:…` of the image's configuration, when known */
	readonly imageId?: string;
	/** lifetime of the certificates; the profile's when absent, never more than its maximum */
	readonly lifetimeSeconds?: number;
	/** `workload` when absent */
	readonly profile?: WorkloadProfile;
}

/** Answer to `POST /v1/authorize`: 200 for a dry run (without `id`), 201 otherwise. The same node and container again get the same `id`. */
export interface Authorization extends Names {
	readonly id?: string;
	readonly organization: string;
	readonly spiffeId: string;
	readonly lifetimeSeconds: number;
}

/** `POST /v1/authorizations/<id>/tokens` (the node that made it). A new token invalidates the last unredeemed one. */
export interface MintRequest {
	/** chosen by the node, one per start of the container; revocation names it */
	readonly startId: string;
	/** the name that the container has by now, when it is another one than the CA was told */
	readonly containerName?: string;
}
export interface MintedToken {
	readonly token: string;
	readonly expiresAt: string;
}

/** `POST /v1/join-tokens` (operator). */
export interface JoinTokenRequest {
	readonly role: 'node' | 'operator';
	/** the name that the joining party gets; when absent for a node, the one it asks for */
	readonly name?: string;
	/** for nodes: which names it may authorize, `cn-pattern/ou-pattern`, `*` and `?` as wildcards; default none */
	readonly allow?: readonly string[];
	readonly ttlSeconds?: number;
}

/** `POST /v1/join`, token in `Authorization: Bearer BMKJOIN-…`. */
export interface JoinRequest {
	/** PEM */
	readonly csr: string;
	/** host name of a node; ignored when the token carries a name */
	readonly name?: string;
	/** what the caller takes the token for: one for the other role is refused, not used up */
	readonly role?: 'node' | 'operator';
}
export interface JoinAnswer {
	/** PEM chain, leaf first */
	readonly certificate: string;
	readonly role: 'node' | 'operator';
	readonly name: string;
	readonly trustDomain: string;
	readonly environment: string;
}

/** `POST /v1/bundle/acknowledge` (any certificate): this trust bundle is in use now. */
export interface AcknowledgeRequest {
	/** SHA-256 of it, hexadecimal */
	readonly digest: string;
}

export interface AcknowledgeAnswer {
	/** of the bundle that the CA serves now */
	readonly digest: string;
	/** the caller's certificate is of an issuer that is about to go: the sooner it is renewed, the better */
	readonly renew: boolean;
}

/**
 * What became of a certificate with the application that is to serve it. `verified`: it serves it. `unchecked`:
 * it was told, and nobody looks. All the others are failures: another one is served; nothing listens; no
 * answer; no TLS; the handshake failed; the application could not be told.
 */
export const RELOAD_OUTCOMES = ['verified', 'unchecked', 'mismatch', 'not-listening', 'no-answer', 'no-tls', 'handshake-failed', 'reload-failed'] as const;
export type ReloadOutcome = (typeof RELOAD_OUTCOMES)[number];

/** `POST /v1/reloads` (workload): what became of the certificate that it comes with. */
export interface ReloadReport {
	readonly outcome: ReloadOutcome;
	/** to bring it there, this one included */
	readonly attempts: number;
	/** of a mismatch: what is served instead */
	readonly servedSerial?: string;
}

/** `POST /v1/rotation` (operator): other keys for the CA. */
export interface RotationRequest {
	/** `root`: root and intermediate; `intermediate`: under the same root, and the bundle stays */
	readonly changes: 'root' | 'intermediate';
	/** what is in use now is void at once: every certificate, every token */
	readonly isCompromised?: boolean;
	/** every step waits for an operator */
	readonly isManual?: boolean;
	/** the present root's key, PKCS#8 PEM, when it is kept off line; used and not stored */
	readonly rootKey?: string;
}
/** `POST /v1/rotation/activate` and `…/finish` (operator). */
export interface RotationStepRequest {
	/** also when identities are cut off by it */
	readonly force?: boolean;
}

/** Who keeps a rotation from its next step. */
export interface RotationLaggards {
	readonly count: number;
	/** the first 20 */
	readonly first: ReadonlyArray<{ readonly role: Role; readonly commonName: string; readonly serial: string; readonly notAfter: string }>;
	/** when the last of them will have expired */
	readonly lastNotAfter?: string;
}

/** `GET /v1/rotation` (operator), and the answer to every step. */
export interface RotationStatus {
	readonly stage: 'idle' | 'prepared' | 'retiring';
	/** of the trust bundle, hexadecimal */
	readonly digest: string;
	/** those in use */
	readonly generations: ReadonlyArray<{
		readonly generation: number;
		readonly state: 'prepared' | 'active' | 'retiring';
		/** SHA-256 of the root certificate, hexadecimal */
		readonly root: string;
		readonly rootNotAfter: string;
		readonly intermediateNotAfter: string;
		/** the root's key is with the CA, encrypted */
		readonly hasRootKey: boolean;
	}>;
	/** what follows is absent in stage `idle` */
	readonly changes?: 'root' | 'intermediate';
	readonly isManual?: boolean;
	/** not before this instant, so that instances and lists have followed */
	readonly settledAt?: string;
	/** have not told that they trust the root that stays */
	readonly withoutBundle?: RotationLaggards;
	/** in stage `retiring`: use certificates of the issuer that goes */
	readonly underOld?: RotationLaggards;
}

/**
 * `POST /v1/revoke` (operator; a node for its own). Exactly one selector; `startId` only narrows
 * `authorizationId`, `chain` only widens `serial`.
 */
export interface RevokeRequest {
	readonly serial?: string;
	/** also every certificate that renewed this one, or that it renewed: without it the next one lives on */
	readonly chain?: boolean;
	readonly containerId?: string;
	readonly commonName?: string;
	readonly node?: string;
	readonly authorizationId?: string;
	readonly startId?: string;
	readonly reason?: RevocationReason;
	/** decides and tells, and revokes nothing */
	readonly dryRun?: boolean;
}
export interface RevokeAnswer {
	/** how many certificates this call revoked, or would; those revoked before do not count */
	readonly revoked: number;
	/** of a list that has them */
	readonly crlNumber: number;
	/** of a dry run: what it would revoke, the newest hundred */
	readonly identities?: readonly Identity[];
}

/** `POST /v1/revocations` (operator; a node for its own): many at once, each on its own. */
export interface RevocationsRequest {
	readonly revocations: ReadonlyArray<Omit<RevokeRequest, 'dryRun'>>;
	readonly dryRun?: boolean;
}
export interface RevocationsAnswer {
	/** one for each of the request, in its order */
	readonly results: readonly RevocationResult[];
	/** the sum of {@link results} */
	readonly revoked: number;
	readonly crlNumber: number;
}
/** `code` and `detail` as in a problem document, when this one failed. */
export interface RevocationResult {
	readonly revoked: number;
	readonly identities?: readonly Identity[];
	readonly code?: string;
	readonly detail?: string;
}

/** `GET /v1/identities[?all=1][&limit=…][&after=…]` and `GET /v1/identities/<serial or CN>`. */
export interface Identity {
	readonly serial: string;
	readonly status: 'live' | 'revoked' | 'expired';
	readonly role: Role;
	readonly commonName: string;
	readonly organizationalUnit: string;
	readonly organization: string;
	readonly spiffeId: string;
	readonly dnsNames: readonly string[];
	readonly node?: string;
	readonly containerId?: string;
	readonly containerName?: string;
	readonly image?: string;
	readonly imageId?: string;
	readonly authorizationId?: string;
	/** who signed the token that it was enrolled with */
	readonly user?: string;
	readonly notBefore: string;
	readonly notAfter: string;
	/** how many renewals led from the enrolment to this certificate */
	readonly renewals: number;
	readonly revokedAt?: string;
	readonly revocationReason?: RevocationReason;
	/** the last that its application is known to have made of this certificate, or of one before it */
	readonly reload?: ReloadState;
}
export interface ReloadState extends ReloadReport {
	/** of the certificate that it is about */
	readonly serial: string;
	readonly at: string;
	/** the last that it was seen to serve, and when */
	readonly verifiedSerial?: string;
	readonly verifiedAt?: string;
}
/** Of a chain of renewals only the newest certificate is listed, unless `all` is asked for. */
export interface IdentityList {
	readonly identities: readonly Identity[];
	/** when there may be more: to be asked for with `?after=` this */
	readonly next?: string;
}

/** `PATCH /v1/nodes/<name>` (operator). */
export interface NodeUpdate {
	/** all rules from now on; not beside the other two */
	readonly allow?: readonly string[];
	/** to those that are there */
	readonly add?: readonly string[];
	readonly remove?: readonly string[];
}

/** `GET /v1/nodes` (operator). */
export interface NodeInfo {
	readonly name: string;
	readonly status: 'active' | 'cut-off';
	readonly allow: readonly string[];
	readonly joinedAt: string;
	readonly liveIdentities: number;
}

/** `POST /v1/users` (operator). The same user with the same key again gets its new rules. */
export interface UserRequest {
	readonly name: string;
	/** SubjectPublicKeyInfo, PEM: EC P-256, Ed25519 or RSA; it decides the only algorithm of this user's tokens */
	readonly publicKey: string;
	/** which names it may enrol, `cn-pattern/ou-pattern` */
	readonly allow: readonly string[];
}
/** `GET /v1/users` (operator). */
export interface UserInfo {
	readonly name: string;
	readonly status: 'active' | 'cut-off';
	readonly algorithm: UserTokenAlgorithm;
	/** RFC 7638, SHA-256, base64url: `kid` of its tokens */
	readonly keyId: string;
	readonly allow: readonly string[];
	readonly createdAt: string;
	readonly liveIdentities: number;
}

/** `GET /v1/whoami` (any certificate). */
export interface WhoAmI {
	readonly role: Role;
	readonly name: string;
	readonly spiffeId: string;
	readonly serial: string;
	readonly notAfter: string;
	readonly trustDomain: string;
	readonly environment: string;
}

/** `GET /v1/audit?after=<number>&limit=<count>` (operator). Records after `after`, oldest first; `head` is the newest that there is. */
export interface AuditPage {
	readonly records: readonly AuditRecord[];
	readonly head: AuditHead;
}

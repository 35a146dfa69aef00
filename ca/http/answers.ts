/** What JSON answers look like, for the OpenAPI document; the types are in `common/protocol/messages.ts`. */

import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '#common/protocol/errors.ts';
import type { AuditHead } from '#common/protocol/audit-chain.ts';
import type { AcknowledgeAnswer, AuditPage, Authorization, Identity, IdentityList, JoinAnswer, MintedToken, NodeInfo, ReloadState, RevocationsAnswer, RevokeAnswer, RotationLaggards, RotationStatus, UserInfo, WhoAmI } from '#common/protocol/messages.ts';
import { RELOAD_OUTCOMES } from '#common/protocol/messages.ts';
import type { Problem } from '#common/protocol/problem.ts';
import type { NodeDemands, RenewalDemand } from '#common/protocol/renewal-demands.ts';

const instant = z.iso.datetime();
const names = { commonName: z.string(), organizationalUnit: z.string(), dnsNames: z.array(z.string()) };
const reason = z.enum(['unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation', 'privilegeWithdrawn']);
const role = z.enum(['workload', 'node', 'operator', 'ca']);

export const problemAnswer = z.object({
	type: z.string(),
	title: z.string(),
	status: z.int(),
	detail: z.string(),
	code: z.enum(Object.keys(ERROR_CODES) as ErrorCode[]),
}) satisfies z.ZodType<Problem>;

export const statusAnswer = z.object({ status: z.enum(['ok', 'ready']) });

export const authorizationAnswer = z.object({
	id: z.string().exactOptional(),
	...names,
	organization: z.string(),
	spiffeId: z.string(),
	lifetimeSeconds: z.int(),
}) satisfies z.ZodType<Authorization>;

export const mintedTokenAnswer = z.object({ token: z.string(), expiresAt: instant }) satisfies z.ZodType<MintedToken>;

export const joinAnswer = z.object({
	certificate: z.string(),
	role: z.enum(['node', 'operator']),
	name: z.string(),
	trustDomain: z.string(),
	environment: z.string(),
}) satisfies z.ZodType<JoinAnswer>;

const reloadState = z.object({
	outcome: z.enum(RELOAD_OUTCOMES),
	attempts: z.int(),
	servedSerial: z.string().exactOptional(),
	serial: z.string(),
	at: instant,
	verifiedSerial: z.string().exactOptional(),
	verifiedAt: instant.exactOptional(),
}) satisfies z.ZodType<ReloadState>;

const identityAnswer = z.object({
	serial: z.string(),
	status: z.enum(['live', 'revoked', 'expired']),
	role,
	...names,
	organization: z.string(),
	spiffeId: z.string(),
	node: z.string().exactOptional(),
	containerId: z.string().exactOptional(),
	containerName: z.string().exactOptional(),
	image: z.string().exactOptional(),
	imageId: z.string().exactOptional(),
	authorizationId: z.string().exactOptional(),
	user: z.string().exactOptional(),
	notBefore: instant,
	notAfter: instant,
	renewals: z.int(),
	revokedAt: instant.exactOptional(),
	revocationReason: reason.exactOptional(),
	reload: reloadState.exactOptional(),
}) satisfies z.ZodType<Identity>;

export const identitiesAnswer = z.object({ identities: z.array(identityAnswer), next: z.string().exactOptional() }) satisfies z.ZodType<IdentityList>;

export const revokeAnswer = z.object({
	revoked: z.int(),
	crlNumber: z.int(),
	identities: z.array(identityAnswer).exactOptional(),
}) satisfies z.ZodType<RevokeAnswer>;

export const renewalDemandAnswer = z.object({
	number: z.int(),
	renewed: z.int(),
	pending: z.int(),
	over: z.int(),
	notRenewed: z.array(identityAnswer),
}) satisfies z.ZodType<RenewalDemand>;

export const nodeDemandsAnswer = z.object({
	number: z.int(),
	demands: z.array(z.object({ serial: z.string(), authorizationId: z.string() })),
}) satisfies z.ZodType<NodeDemands>;

export const revocationsAnswer = z.object({
	results: z.array(z.object({
		revoked: z.int(),
		identities: z.array(identityAnswer).exactOptional(),
		code: z.string().exactOptional(),
		detail: z.string().exactOptional(),
	})),
	revoked: z.int(),
	crlNumber: z.int(),
}) satisfies z.ZodType<RevocationsAnswer>;

export const nodeAnswer = z.object({
	name: z.string(),
	status: z.enum(['active', 'cut-off']),
	allow: z.array(z.string()),
	joinedAt: instant,
	liveIdentities: z.int(),
}) satisfies z.ZodType<NodeInfo>;

export const nodesAnswer = z.object({ nodes: z.array(nodeAnswer) });

export const userAnswer = z.object({
	name: z.string(),
	status: z.enum(['active', 'cut-off']),
	algorithm: z.enum(['ES256', 'EdDSA', 'RS256']),
	keyId: z.string(),
	allow: z.array(z.string()),
	createdAt: instant,
	liveIdentities: z.int(),
}) satisfies z.ZodType<UserInfo>;

export const usersAnswer = z.object({ users: z.array(userAnswer) });

export const whoamiAnswer = z.object({
	role,
	name: z.string(),
	spiffeId: z.string(),
	serial: z.string(),
	notAfter: instant,
	trustDomain: z.string(),
	environment: z.string(),
}) satisfies z.ZodType<WhoAmI>;

export const acknowledgeAnswer = z.object({ digest: z.string(), renew: z.boolean() }) satisfies z.ZodType<AcknowledgeAnswer>;

const laggards = z.object({
	count: z.int(),
	first: z.array(z.object({ role, commonName: z.string(), serial: z.string(), notAfter: instant })),
	lastNotAfter: instant.exactOptional(),
}) satisfies z.ZodType<RotationLaggards>;

export const rotationAnswer = z.object({
	stage: z.enum(['idle', 'prepared', 'retiring']),
	digest: z.string(),
	generations: z.array(z.object({
		generation: z.int(),
		state: z.enum(['prepared', 'active', 'retiring']),
		root: z.string(),
		rootNotAfter: instant,
		intermediateNotAfter: instant,
		hasRootKey: z.boolean(),
	})),
	changes: z.enum(['root', 'intermediate']).exactOptional(),
	isManual: z.boolean().exactOptional(),
	settledAt: instant.exactOptional(),
	withoutBundle: laggards.exactOptional(),
	underOld: laggards.exactOptional(),
}) satisfies z.ZodType<RotationStatus>;

const auditHead = z.object({ sequence: z.int(), hash: z.string() }) satisfies z.ZodType<AuditHead>;

export const auditAnswer = z.object({
	records: z.array(z.object({
		sequence: z.int(),
		previous: z.string(),
		hash: z.string(),
		at: z.string(),
		by: z.object({ role: z.string(), name: z.string(), source: z.string().exactOptional() }),
		action: z.string(),
		outcome: z.string(),
		subject: z.string().exactOptional(),
		details: z.record(z.string(), z.unknown()).exactOptional(),
	})),
	head: auditHead,
}) satisfies z.ZodType<AuditPage>;

/**
 * What requests have to look like; the types are in `common/protocol/messages.ts`. Shape and bounds
 * only: whether a name is legal is decided where names are known. Unknown keys are errors.
 */

import { z } from 'zod';
import type { AcknowledgeRequest, AuthorizeRequest, JoinRequest, JoinTokenRequest, MintRequest, NodeUpdate, ReloadReport, RevocationsRequest, RevokeRequest, RotationRequest, RotationStepRequest, UserRequest } from '#common/protocol/messages.ts';
import { MAX_REVOCATIONS, RELOAD_OUTCOMES, WORKLOAD_PROFILES } from '#common/protocol/messages.ts';
import type { RenewalDemandRequest } from '#common/protocol/renewal-demands.ts';
import { MIN_LIFETIME_SECONDS } from '../issuance/profile-schema.ts';
import { MAX_RULES } from '../registration/allow.ts';

/** Enough for any host; a rule may have wildcards. */
const MAX_LIST = MAX_RULES;
const DAY_SECONDS = 24 * 3600;
/** A year of tries, two a minute. */
const MAX_ATTEMPTS = 1_000_000;
const YEAR_SECONDS = 365 * DAY_SECONDS;

/** PostgreSQL holds no NUL in a text, and a backup is to be good for either database. */
const NO_NUL = /^[^\0]*$/;
const text = z.string().min(1).max(256).regex(NO_NUL);
const name = z.string().max(256).regex(NO_NUL);
const hex64 = z.string().regex(/^[0-9a-f]{64}$/, 'is not 64 hexadecimal digits in lower case');
const serial = z.string().toLowerCase().regex(/^[0-9a-f]{2,40}$/, 'is not a serial number in hexadecimal digits');
const identifier = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/, 'is not 1 to 128 letters, digits, ".", "_" and "-"');
const allow = z.array(text).max(MAX_LIST);

export const authorizeSchema = z.strictObject({
	commonName: name,
	organizationalUnit: name,
	dnsNames: z.array(name).max(MAX_LIST),
	dryRun: z.boolean().exactOptional(),
	containerId: hex64.exactOptional(),
	containerName: text.exactOptional(),
	image: z.string().min(1).max(1024).regex(NO_NUL),
	imageId: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'is not sha256: and 64 hexadecimal digits').exactOptional(),
	lifetimeSeconds: z.int().min(MIN_LIFETIME_SECONDS).exactOptional(),
	profile: z.enum(WORKLOAD_PROFILES).exactOptional(),
}) satisfies z.ZodType<AuthorizeRequest>;

/** As Pollendina had it: every value is text. */
export const authorizeFormSchema = z.strictObject({
	cn: name,
	token: z.string().max(256),
	ou: name.exactOptional(),
	ttl: z.string().regex(/^[1-9]\d{0,5}$/, 'is not a number of seconds').transform(Number).refine((value) => value <= DAY_SECONDS, 'is more than a day').exactOptional(),
});

export const mintSchema = z.strictObject({ startId: identifier, containerName: text.exactOptional() }) satisfies z.ZodType<MintRequest>;

export const joinTokenSchema = z.strictObject({
	role: z.enum(['node', 'operator']),
	name: name.exactOptional(),
	allow: allow.exactOptional(),
	ttlSeconds: z.int().min(1).max(YEAR_SECONDS).exactOptional(),
}) satisfies z.ZodType<JoinTokenRequest>;

export const joinSchema = z.strictObject({
	csr: z.string(),
	name: name.exactOptional(),
	role: z.enum(['node', 'operator']).exactOptional(),
}) satisfies z.ZodType<JoinRequest>;

const revocation = z.strictObject({
	serial: serial.exactOptional(),
	chain: z.boolean().exactOptional(),
	containerId: hex64.exactOptional(),
	commonName: name.exactOptional(),
	node: name.exactOptional(),
	authorizationId: identifier.exactOptional(),
	startId: identifier.exactOptional(),
	reason: z.enum(['unspecified', 'keyCompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation', 'privilegeWithdrawn']).exactOptional(),
});

export const revokeSchema = revocation.extend({ dryRun: z.boolean().exactOptional() }) satisfies z.ZodType<RevokeRequest>;

export const revocationsSchema = z.strictObject({
	revocations: z.array(revocation).min(1).max(MAX_REVOCATIONS),
	dryRun: z.boolean().exactOptional(),
}) satisfies z.ZodType<RevocationsRequest>;

export const renewalDemandSchema = z.strictObject({
	serial: serial.exactOptional(),
	containerId: hex64.exactOptional(),
	commonName: name.exactOptional(),
	node: name.exactOptional(),
	all: z.literal(true).exactOptional(),
}) satisfies z.ZodType<RenewalDemandRequest>;

export const nodeUpdateSchema = z.strictObject({
	allow: allow.exactOptional(),
	add: allow.exactOptional(),
	remove: allow.exactOptional(),
}).refine(
	(update) => (update.allow === undefined) === (update.add !== undefined || update.remove !== undefined),
	'give allow, or add and remove',
) satisfies z.ZodType<NodeUpdate>;

export const acknowledgeSchema = z.strictObject({ digest: hex64 }) satisfies z.ZodType<AcknowledgeRequest>;

export const reloadSchema = z.strictObject({
	outcome: z.enum(RELOAD_OUTCOMES),
	attempts: z.int().min(1).max(MAX_ATTEMPTS),
	servedSerial: serial.exactOptional(),
}) satisfies z.ZodType<ReloadReport>;

export const rotationSchema = z.strictObject({
	changes: z.enum(['root', 'intermediate']),
	isCompromised: z.boolean().exactOptional(),
	isManual: z.boolean().exactOptional(),
	rootKey: z.string().min(1).max(4096).exactOptional(),
}) satisfies z.ZodType<RotationRequest>;

export const rotationStepSchema = z.strictObject({ force: z.boolean().exactOptional() }) satisfies z.ZodType<RotationStepRequest>;

export const emptySchema = z.strictObject({});

export const userSchema = z.strictObject({
	name,
	publicKey: z.string().min(1).max(4096),
	allow,
}) satisfies z.ZodType<UserRequest>;

export const userUpdateSchema = z.strictObject({ allow });

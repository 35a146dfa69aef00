/**
 * Issuance profiles as an operator writes them: the section `profiles` of the configuration. Every
 * fault is told with its path; what comes out is made into profiles by `profiles.ts`.
 *
 * What a certificate is for is not configured: it follows from the kind. A node's certificate that
 * could be a server would be one for a service of the node's name.
 */

import { z } from 'zod';
import { checkDnsName } from '#common/protocol/names.ts';
import { KEY_TYPES, RSA_BITS } from '#common/x509/algorithms.ts';
import { canPathsMeet, checkDnsTemplate, checkPathTemplate, findOverlap } from './name-template.ts';

/** Shorter than this a certificate would be half spent by the clock skew that `backdateSeconds` allows for. */
export const MIN_LIFETIME_SECONDS = 10;
const DAY = 24 * 3600;
const YEAR = 365 * DAY;
/** So that a root made on a date ends on that date. */
const JULIAN_YEAR = 365.25 * DAY;
const MAX_TEMPLATES = 16;

const lifetime = (fallback: number, maximum = YEAR) => z.int().min(MIN_LIFETIME_SECONDS).max(maximum).default(fallback);
const checked = (check: (value: string) => unknown) => z.string().superRefine((value, context) => {
	try {
		check(value);
	} catch (error) {
		context.addIssue({ code: 'custom', message: (error as Error).message });
	}
});

const keys = {
	/** beside P-256, which every part of Birthmark uses and which is always accepted */
	keyTypes: z.array(z.enum(KEY_TYPES)).default([...KEY_TYPES]),
	rsaMinimumBits: z.int().min(RSA_BITS.minimum).max(RSA_BITS.maximum).default(RSA_BITS.minimum),
};

const named = {
	lifetimeSeconds: lifetime(DAY),
	/** the most that may be asked for */
	maximumSeconds: lifetime(7 * DAY),
	...keys,
	/** path of the SPIFFE ID */
	spiffePath: checked(checkPathTemplate).default('/{organization}/{organizationalUnit}/{commonName}'),
};

interface Lifetimes {
	readonly lifetimeSeconds: number;
	readonly maximumSeconds: number;
}

function checkLifetimes({ lifetimeSeconds, maximumSeconds }: Lifetimes, context: z.RefinementCtx): void {
	if (lifetimeSeconds > maximumSeconds) context.addIssue({ code: 'custom', path: ['lifetimeSeconds'], message: 'is more than maximumSeconds' });
}

const member = (lifetimeSeconds: number) => z.strictObject({ lifetimeSeconds: lifetime(lifetimeSeconds), ...keys }).prefault({});

export const profilesSchema = z.strictObject({
	/** servers and clients at once: what a container gets unless it asks otherwise */
	workload: z.strictObject({
		...named,
		/** of every certificate, beside those that were authorized */
		dnsNames: z.array(checked(checkDnsTemplate)).max(MAX_TEMPLATES).default(['{commonName}']),
	}).superRefine((profile, context) => {
		checkLifetimes(profile, context);
		// A CN that is no alternative name means nothing to one verifier and something to another (RFC 6125 §6.4.4).
		if (!profile.dnsNames.includes('{commonName}')) context.addIssue({ code: 'custom', path: ['dnsNames'], message: 'lacks "{commonName}"' });
		for (const [index, template] of profile.dnsNames.entries()) {
			const other = findOverlap(template, profile.dnsNames);
			if (other !== undefined) context.addIssue({ code: 'custom', path: ['dnsNames', index], message: `makes names that ${other} makes for others` });
		}
	}).prefault({}),
	/** clients only, without DNS names. There is none for servers only: whoever renews is a client of the CA */
	client: z.strictObject(named).superRefine(checkLifetimes).prefault({}),
	node: member(30 * DAY),
	operator: member(30 * DAY),
	/** of the CA's own listener, replaced at half of its life */
	server: z.strictObject({ lifetimeSeconds: lifetime(DAY) }).prefault({}),
	/** of delegated OCSP responders, replaced at half of its life: nobody can revoke one (RFC 6960 §4.2.2.2.1) */
	ocsp: z.strictObject({ lifetimeSeconds: lifetime(DAY, 30 * DAY) }).prefault({}),
	/** roots and intermediates, as they are made: at `init` and by a rotation */
	ca: z.strictObject({
		rootLifetimeSeconds: z.int().min(30 * DAY).max(40 * YEAR).default(20 * JULIAN_YEAR),
		intermediateLifetimeSeconds: z.int().min(7 * DAY).max(20 * YEAR).default(5 * JULIAN_YEAR),
		/** what an intermediate may name, beside addresses, which it never may (RFC 5280 §4.2.1.10) */
		nameConstraints: z.strictObject({
			/** every DNS name is one of these or under one; any when empty. Single labels such as `api01` are under none */
			dnsDomains: z.array(checked(checkDnsName)).max(MAX_TEMPLATES).default([]),
			/** every URI is in the trust domain. Some verifiers refuse a certificate that says so */
			trustDomain: z.boolean().default(false),
		}).prefault({}),
	}).superRefine(({ rootLifetimeSeconds, intermediateLifetimeSeconds }, context) => {
		if (intermediateLifetimeSeconds > rootLifetimeSeconds) {
			context.addIssue({ code: 'custom', path: ['intermediateLifetimeSeconds'], message: 'is more than rootLifetimeSeconds' });
		}
	}).prefault({}),
}).superRefine(({ workload, client }, context) => {
	if (canPathsMeet(client.spiffePath, workload.spiffePath)) {
		context.addIssue({ code: 'custom', path: ['client', 'spiffePath'], message: 'makes paths that profiles.workload.spiffePath makes of other names' });
	}
}).prefault({});

export type RawProfiles = z.output<typeof profilesSchema>;

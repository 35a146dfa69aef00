/** `GET /v1/identities[?all=1][&limit=…][&after=…]` and `GET /v1/identities/:serialOrName`: who is who, an operator's view or a node's own. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { Identity, IdentityList, ReloadState } from '#common/protocol/messages.ts';
import { nodeScope } from '../registration/caller.ts';
import type { IdentityRecord, ReloadRecord } from '../store/records.ts';
import type { IdentityFilter, Store } from '../store/store.ts';
import { identitiesAnswer } from './answers.ts';
import type { ApiRequest, Route } from './route.ts';

/** In one answer. */
const LIST_LIMIT = 10_000;
const MATCH_LIMIT = 1000;

export interface IdentitiesDeps {
	readonly store: Pick<Store, 'listIdentities'>;
	readonly clock: { now(): Date };
}

export function identityRoutes({ store, clock }: IdentitiesDeps): Route[] {
	const list = async (request: ApiRequest, filter: Omit<IdentityFilter, 'now' | 'node'>): Promise<IdentityList> => {
		const now = clock.now();
		const node = nodeScope(request.caller);
		const records = await store.listIdentities({ now, ...(node !== undefined && { node }), ...filter });
		const next = records.length === filter.limit ? String(records.at(-1)!.sequence) : undefined;
		return { identities: records.map((record) => toIdentity(record, now)), ...(next !== undefined && { next }) };
	};
	return [
		{
			method: 'GET',
			path: '/v1/identities',
			roles: ['operator', 'node'],
			description: {
				summary: 'who is who; for a node its own',
				query: {
					all: '1 for the revoked, expired and renewed as well',
					limit: `at most so many, up to ${LIST_LIMIT}, which is the default`,
					after: 'what the answer before this one had as next',
				},
				answers: { 200: { summary: 'the newest first; next is there when there may be more', schema: identitiesAnswer } },
			},
			async handle(request) {
				const limit = readNumber(request, 'limit', LIST_LIMIT) ?? LIST_LIMIT;
				const after = readNumber(request, 'after', Number.MAX_SAFE_INTEGER);
				return { status: 200, json: await list(request, { all: isAsked(request.query('all')), limit, ...(after !== undefined && { after }) }) };
			},
		},
		{
			method: 'GET',
			path: '/v1/identities/:serialOrName',
			roles: ['operator', 'node'],
			description: {
				summary: 'the certificates of this serial number or common name',
				answers: { 200: { summary: 'all that match, the newest first', schema: identitiesAnswer } },
				errors: ['certificate-unknown'],
			},
			async handle(request) {
				// Names are in lower case, and serial numbers are stored so; tools like to print them in upper case.
				const answer = await list(request, { match: request.parameter('serialOrName').toLowerCase(), all: true, limit: MATCH_LIMIT });
				if (answer.identities.length === 0) throw new BirthmarkError('certificate-unknown', 'the CA knows no certificate of this serial number or name');
				return { status: 200, json: answer };
			},
		},
	];
}

function isAsked(value: string | undefined): boolean {
	return value === '1' || value === 'true';
}

/** @throws BirthmarkError `request-malformed` */
export function readNumber(request: ApiRequest, name: string, maximum: number): number | undefined {
	const text = request.query(name);
	if (text === undefined) return undefined;
	const value = Number(text);
	if (!/^[1-9]\d{0,15}$/.test(text) || value > maximum) throw new BirthmarkError('request-malformed', `the parameter ${name} is not a number from 1 to ${maximum}`);
	return value;
}

export function toIdentity(record: IdentityRecord, now: Date): Identity {
	const { serial, role, commonName, organizationalUnit, organization, spiffeId, dnsNames, renewals } = record;
	return {
		serial,
		status: record.revokedAt ? 'revoked' : record.notAfter <= now ? 'expired' : 'live',
		role,
		commonName,
		organizationalUnit,
		organization,
		spiffeId,
		dnsNames,
		...(record.node !== undefined && { node: record.node }),
		...(record.containerId !== undefined && { containerId: record.containerId }),
		...(record.containerName !== undefined && { containerName: record.containerName }),
		...(record.image !== undefined && { image: record.image }),
		...(record.imageId !== undefined && { imageId: record.imageId }),
		...(record.authorizationId !== undefined && { authorizationId: record.authorizationId }),
		...(record.userName !== undefined && { user: record.userName }),
		notBefore: record.notBefore.toISOString(),
		notAfter: record.notAfter.toISOString(),
		renewals,
		...(record.revokedAt && { revokedAt: record.revokedAt.toISOString() }),
		...(record.revocationReason && { revocationReason: record.revocationReason }),
		...(record.reload && { reload: toReload(record.reload) }),
	};
}

function toReload({ at, verifiedAt, ...rest }: ReloadRecord): ReloadState {
	return { ...rest, at: at.toISOString(), ...(verifiedAt && { verifiedAt: verifiedAt.toISOString() }) };
}

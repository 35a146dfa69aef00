/** `GET /v1/audit[?after=&limit=]`: the audit log, a page at a time. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { AuditPage } from '#common/protocol/messages.ts';
import type { Sealer } from '../audit/sealer.ts';
import type { AuditStore } from '../store/store.ts';
import { auditAnswer } from './answers.ts';
import type { ApiRequest, Route } from './route.ts';

const DEFAULT_LIMIT = 1000;
const MAX_LIMIT = 5000;

export interface AuditRouteDeps {
	readonly store: Pick<AuditStore, 'listAudit'>;
	readonly sealer: Pick<Sealer, 'seal'>;
}

export function auditRoute({ store, sealer }: AuditRouteDeps): Route {
	return {
		method: 'GET',
		path: '/v1/audit',
		roles: ['operator'],
		description: {
			summary: 'the audit log, oldest first, and its head',
			query: {
				after: 'only records with a higher number than this; default 0',
				limit: `at most so many; 0 to ${MAX_LIMIT}, default ${DEFAULT_LIMIT}`,
			},
			answers: { 200: { summary: 'a page; all of it was sealed before', schema: auditAnswer } },
		},
		async handle(request) {
			const after = count(request, 'after', 0, Number.MAX_SAFE_INTEGER);
			const limit = count(request, 'limit', DEFAULT_LIMIT, MAX_LIMIT);
			const head = await sealer.seal();
			const answer: AuditPage = { records: await store.listAudit(after, limit), head };
			return { status: 200, json: answer };
		},
	};
}

function count(request: ApiRequest, name: string, fallback: number, maximum: number): number {
	const text = request.query(name);
	if (text === undefined) return fallback;
	const value = Number(text);
	if (!/^\d{1,16}$/.test(text) || value > maximum) throw new BirthmarkError('request-malformed', `"${name}" in the query is not a number from 0 to ${maximum}`);
	return value;
}

/** `GET /v1/whoami`: what the CA takes the caller for. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import type { WhoAmI } from '#common/protocol/messages.ts';
import { memberIdentity, type Domain } from '../issuance/identity.ts';
import { whoamiAnswer } from './answers.ts';
import type { Route } from './route.ts';

/** RFC 5280 §4.1.2.5: the date that stands for "no well-defined expiration". */
const NEVER = '9999-12-31T23:59:59.000Z';

export function whoamiRoute({ domain }: { readonly domain: Domain }): Route {
	return {
		method: 'GET',
		path: '/v1/whoami',
		roles: ['workload', 'node', 'operator'],
		description: { summary: 'what the CA takes the caller for', answers: { 200: { summary: 'role, name and certificate', schema: whoamiAnswer } } },
		async handle({ caller: { role, name, certificate } }) {
			if (role === 'external') throw new BirthmarkError('forbidden');
			const answer: WhoAmI = {
				role,
				name,
				spiffeId: certificate?.spiffeId ?? memberIdentity('operator', name, domain).spiffeId,
				serial: certificate?.serial ?? '',
				notAfter: certificate?.notAfter.toISOString() ?? NEVER,
				trustDomain: domain.trustDomain,
				environment: domain.environment,
			};
			return { status: 200, json: answer };
		},
	};
}

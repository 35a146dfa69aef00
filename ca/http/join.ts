/** `POST /v1/join`: a node or operator redeems its join token. */

import type { JoinAnswer } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Authorities } from '../issuance/authorities.ts';
import type { Domain } from '../issuance/identity.ts';
import type { Join } from '../registration/join.ts';
import { joinAnswer } from './answers.ts';
import { bearerToken } from './bearer.ts';
import { chainPem } from './chain.ts';
import { CSR_ERRORS, TOKEN_ERRORS } from './description.ts';
import type { Route } from './route.ts';
import { joinSchema } from './schemas.ts';

export interface JoinRouteDeps {
	readonly join: Join;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly domain: Domain;
	readonly logger: Logger;
}

export function joinRoute({ join, authorities, domain, logger }: JoinRouteDeps): Route {
	return {
		method: 'POST',
		path: '/v1/join',
		roles: ['anonymous'],
		description: {
			summary: 'a node or an operator redeems its join token',
			bearer: 'join',
			body: { schema: joinSchema },
			answers: { 201: { summary: 'the certificate, and who the caller is now', schema: joinAnswer } },
			errors: [...TOKEN_ERRORS, ...CSR_ERRORS, 'token-wrong-name', 'csr-key-compromised', 'name-illegal', 'node-exists'],
		},
		async handle(request) {
			const token = bearerToken(request);
			const { certificate } = await join(token, await request.json(joinSchema), request.actor);
			const { commonName: name, serial } = certificate;
			const role = certificate.role as JoinAnswer['role'];
			logger.info('joined', { role, commonName: name, serial });
			const answer: JoinAnswer = {
				certificate: chainPem(certificate, authorities.current()),
				role,
				name,
				trustDomain: domain.trustDomain,
				environment: domain.environment,
			};
			return { status: 201, json: answer, isPrivate: true };
		},
	};
}

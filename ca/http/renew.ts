/** `POST /v1/renew`: the next certificate for whoever presents a valid one. */

import { BirthmarkError } from '#common/protocol/errors.ts';
import { BUNDLE_HEADER, MAX_CSR_BYTES, PEM_CHAIN_CONTENT_TYPE } from '#common/protocol/messages.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Authorities } from '../issuance/authorities.ts';
import type { Renew } from '../registration/renew.ts';
import { chainAnswer } from './chain.ts';
import { CSR_BODY, CSR_ERRORS } from './description.ts';
import type { Route } from './route.ts';

export interface RenewRouteDeps {
	readonly renew: Renew;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly logger: Logger;
}

export function renewRoute({ renew, authorities, logger }: RenewRouteDeps): Route {
	return {
		method: 'POST',
		path: '/v1/renew',
		isGuarded: true,
		roles: ['workload', 'node', 'operator'],
		description: {
			summary: 'the next certificate, for a fresh key, for whoever presents a valid one',
			body: CSR_BODY,
			answers: { 200: { summary: 'the certificate and its intermediate', contentType: PEM_CHAIN_CONTENT_TYPE } },
			errors: [...CSR_ERRORS, 'csr-key-reused', 'csr-key-compromised', 'authorization-unknown', 'authorization-ended', 'upstream-unavailable', 'upstream-refused'],
		},
		async handle(request) {
			const { certificate: current, role } = request.caller;
			if (!current) throw new BirthmarkError('unauthenticated', 'only a certificate can be renewed, and the admin socket has none');
			const bundleDigest = readDigest(request.header(BUNDLE_HEADER));
			const certificate = await renew(current, await request.bytes(MAX_CSR_BYTES), request.actor, bundleDigest);
			logger.info('renewed', { role, commonName: certificate.commonName, serial: certificate.serial, count: certificate.renewals });
			return chainAnswer(certificate, authorities.current());
		},
	};
}

/** @throws BirthmarkError `request-malformed` */
function readDigest(text: string | undefined): Buffer | undefined {
	if (text === undefined) return undefined;
	if (!/^[0-9a-f]{64}$/.test(text)) throw new BirthmarkError('request-malformed', `${BUNDLE_HEADER} is not 64 hexadecimal digits in lower case`);
	return Buffer.from(text, 'hex');
}

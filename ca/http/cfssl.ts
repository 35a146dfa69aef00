/**
 * `POST /api/v1/cfssl/sign` and `/api/v1/cfssl/info`: two addresses of a cfssl server, so that whatever
 * can use one as its external CA (a Docker Swarm, another Birthmark) can use this CA. Signing is for
 * the callers of `cfssl.clients`, by mutual TLS. As with cfssl the answer is the leaf alone, and the
 * certificate that it is to be checked with comes from `info`.
 */

import { z } from 'zod';
import { BirthmarkError } from '#common/protocol/errors.ts';
import { MAX_CSR_BYTES } from '#common/protocol/messages.ts';
import { encodePem } from '#common/x509/pem.ts';
import type { Logger } from '#common/runtime/log.ts';
import type { Authorities } from '../issuance/authorities.ts';
import type { Caller } from '../registration/caller.ts';
import type { CfsslClients, Subject } from '../registration/cfssl-clients.ts';
import type { CfsslSign } from '../registration/cfssl-sign.ts';
import { cfsslFailure, cfsslSuccess } from './cfssl-answers.ts';
import { CSR_ERRORS } from './description.ts';
import type { Route } from './route.ts';

/** What Go makes of an empty value; a key that asks for something this CA does not do is refused. */
const nothing = <Schema extends z.ZodType>(schema: Schema) => schema.nullish();
const name = z.string().max(256);

/** `signer.SignRequest` of cfssl, as its clients marshal it. */
const signSchema = z.strictObject({
	hosts: z.array(name).max(64).nullish(),
	certificate_request: z.string().min(1).max(MAX_CSR_BYTES),
	subject: z.strictObject({
		CN: name,
		names: z.array(z.strictObject({ O: name, OU: name, C: nothing(z.literal('')), ST: nothing(z.literal('')), L: nothing(z.literal('')), SerialNumber: nothing(z.literal('')) })).length(1),
		SerialNumber: nothing(z.literal('')),
	}),
	profile: z.enum(['', 'default']).nullish(),
	label: nothing(z.literal('')),
	crl_override: nothing(z.literal('')),
	serial: z.null().optional(),
	extensions: nothing(z.array(z.never()).length(0)),
	bundle: nothing(z.literal(false)),
	NotBefore: nothing(z.literal('0001-01-01T00:00:00Z')),
	NotAfter: nothing(z.literal('0001-01-01T00:00:00Z')),
	ReturnPrecert: nothing(z.literal(false)),
	metadata: z.null().optional(),
});

const answerSchema = z.object({
	success: z.boolean(),
	result: z.object({ certificate: z.string() }).nullable(),
	errors: z.array(z.object({ code: z.int(), message: z.string() })),
	messages: z.array(z.object({ code: z.int(), message: z.string() })),
});

export interface CfsslRouteDeps {
	readonly cfsslClients: Pick<CfsslClients, 'permission'>;
	readonly sign: CfsslSign;
	readonly authorities: Pick<Authorities, 'current'>;
	readonly logger: Logger;
}

const infoSchema = z.strictObject({ label: nothing(z.literal('')), profile: nothing(z.enum(['', 'default'])) });

export function cfsslInfoRoute({ authorities }: Pick<CfsslRouteDeps, 'authorities'>): Route {
	return {
		method: 'POST',
		path: '/api/v1/cfssl/info',
		roles: ['anonymous'],
		description: { summary: 'the certificate that signs at present, as a cfssl server tells it', body: { schema: infoSchema }, answers: { 200: { summary: 'the intermediate, PEM', schema: answerSchema } }, refusal: answerSchema },
		refuse: cfsslFailure,
		async handle(request) {
			await request.json(infoSchema);
			return cfsslSuccess(encodePem('CERTIFICATE', authorities.current().active.certificate));
		},
	};
}

export function cfsslSignRoute({ cfsslClients, sign, logger }: Omit<CfsslRouteDeps, 'authorities'>): Route {
	return {
		method: 'POST',
		path: '/api/v1/cfssl/sign',
		roles: ['external', 'workload', 'node', 'operator'],
		description: {
			summary: 'signs as a cfssl server does, for the callers of cfssl.clients; refusals have the form of cfssl too',
			body: { schema: signSchema },
			answers: { 200: { summary: 'the certificate, PEM', schema: answerSchema } },
			errors: [...CSR_ERRORS, 'csr-key-compromised', 'name-illegal', 'name-not-allowed'],
			refusal: answerSchema,
		},
		refuse: cfsslFailure,
		async handle(request) {
			const caller = subjectOf(request.caller);
			const client = cfsslClients.permission(caller, request.caller.presented);
			const { certificate_request: csr, subject: { CN, names }, hosts } = await request.json(signSchema);
			const { O, OU } = names[0]!;
			const order = { csr, subject: { commonName: CN, organizationalUnit: OU, organization: O }, hosts: hosts ?? [] };
			const certificate = await sign(client, caller, order, request.actor);
			logger.info('issued', { commonName: certificate.commonName, serial: certificate.serial, client: client.name });
			return cfsslSuccess(encodePem('CERTIFICATE', certificate.der));
		},
	};
}

/** What `cfssl.clients` looks at: of a certificate of ours the record, of another the subject. */
function subjectOf({ certificate, subject }: Caller): Subject {
	const found = certificate ?? subject;
	if (!found) throw new BirthmarkError('forbidden', 'this address is for callers with a certificate');
	const { commonName, organizationalUnit, organization } = found;
	return { commonName, organizationalUnit, organization };
}
